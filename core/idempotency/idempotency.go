// Package idempotency holds idempotency keys, which make a repeated request have one effect.
package idempotency

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"patchbay/core/fault"
)

// Codes of the two conflicts on a key.
const (
	CodeMismatch = "idempotency_key_reused"    // another request was made under the same key
	CodeInFlight = "idempotency_key_in_flight" // the first request has no answer yet
)

// Kept is how long a key is kept after its request was last tried or has ended. After that
// the key is unknown, and a request under it is a new one.
const Kept = 72 * time.Hour

// Key is a caller's idempotency key within its scope, with a digest of the request, which
// distinguishes a repeat from another request under the same key. The zero Key means that the caller
// gave none.
type Key struct {
	Scoped      string // "tenant|route|digest of the key", unique
	Fingerprint string // of the request: hex SHA-256, or concealed: see Secret
	plain       string // the fingerprint that an earlier version has stored
}

// New scopes a caller's key. route is the method and the path of the request. Neither it nor
// tenant contains a bar or a zero byte, so that scopes are distinct. Only a digest of the key
// itself is kept, since callers may have put a person's name into it. canonical is the
// request's body in a form in which equal requests are equal bytes. An empty value gives the
// zero Key. What is stored of a key is concealed first: see Secret.
func New(tenant, route, value string, canonical []byte) Key {
	if value == "" {
		return Key{}
	}
	digest := sha256.Sum256([]byte(value))
	h := sha256.New()
	h.Write([]byte(route))
	h.Write([]byte{0})
	h.Write(canonical)
	return Key{
		Scoped:      strings.Join([]string{tenant, route, hex.EncodeToString(digest[:])}, "|"),
		Fingerprint: hex.EncodeToString(h.Sum(nil)),
	}
}

// crockford is Crockford's alphabet (crockford.com/base32), in which all IDs are written.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Digest returns an ID that anybody can derive from the key. Earlier versions gave such IDs
// to messages, and Digest finds those messages.
func (k Key) Digest(prefix string) string {
	sum := sha256.Sum256([]byte(k.Scoped))
	return prefix + "_" + crockford.EncodeToString(sum[:16])
}

// Derive returns a name that only the holder of secret can derive from the key and parts. It
// is always the same: 26 characters of Crockford's alphabet.
func (k Key) Derive(secret []byte, parts ...string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(k.Scoped))
	for _, part := range parts {
		h.Write([]byte{0})
		h.Write([]byte(part))
	}
	return crockford.EncodeToString(h.Sum(nil)[:16])
}

// Empty reports whether the caller gave no key.
func (k Key) Empty() bool { return k.Scoped == "" }

// Match returns Conflict with CodeMismatch unless the stored fingerprint is that of this
// request.
func (k Key) Match(fingerprint string) error {
	if fingerprint == k.Fingerprint || k.plain != "" && fingerprint == k.plain {
		return nil
	}
	return fault.New(fault.Conflict, CodeMismatch, "this idempotency key was used for another request")
}

// The time of a key is counted in steps.
const (
	steps = 3
	step  = Kept / steps
)

// Age is how much of a key's time has passed. A record with a key is claimed once per step,
// by the clock of its store, and each claim counts one step. So a clock that is wrong,
// temporarily or when the key was used, costs at most one step. A single comparison of times
// would remove the key.
//
// The zero Age has no steps counted. Records of an earlier version have it.
type Age struct {
	From  time.Time `json:"from,omitzero"`   // start of the key's time, by the clock of the process that used it
	Steps int       `json:"steps,omitempty"` // steps that have passed
	At    time.Time `json:"at,omitzero"`     // when the last step was counted, by the store's clock
}

// Due returns when the next step ends for a key that is kept until the given time.
func (a Age) Due(until time.Time) time.Time { return a.forUse(until).At.Add(step) }

// Count counts a step of a key that is kept until the given time, if a step has ended by the
// store's clock. It reports whether the key has expired.
func (a *Age) Count(until, now time.Time) (over bool) {
	*a = a.forUse(until)
	if !now.Before(a.At.Add(step)) {
		a.Steps, a.At = a.Steps+1, now
	}
	return a.Steps >= steps
}

// forUse returns the age of a key that is kept until the given time. A different time belongs to
// another use of the key, of which nothing is counted yet.
func (a Age) forUse(until time.Time) Age {
	from := until.Add(-Kept)
	if a.From.Equal(from) {
		return a
	}
	return Age{From: from, At: from}
}
