// Package idem holds idempotency keys: what makes a repeated request have one
// effect.
package idem

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"patchbay/core/fault"
)

// Codes of the two ways in which a key can be in the way.
const (
	CodeMismatch = "idempotency_key_reused"    // other request under the same key
	CodeInFlight = "idempotency_key_in_flight" // the first request has no answer yet
)

// Kept is how long a key is kept, from when what was asked under it was last tried or has
// come to its end. Later it stands for nothing: what comes under it is new.
const Kept = 72 * time.Hour

// Key is a caller's idempotency key within its scope, with a digest of the
// request, so that a repeat is told from another request under the same key.
// The zero Key means that the caller gave none.
type Key struct {
	Scoped      string // "tenant|route|digest of the key", unique
	Fingerprint string // hex SHA-256
}

// New scopes a caller's key. route is the method and the path as called; it and
// tenant hold neither a bar nor a zero byte, so that no two scopes meet. Of the
// key itself only a digest is kept: callers may have put somebody's name into it.
// canonical is the request's body in a form in which equal requests are equal
// bytes. An empty value gives the zero Key.
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

// ids are written in Crockford's alphabet (crockford.com/base32), as all are.
var ids = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Digest is an id that anybody can make of the key. Earlier versions gave such ids to
// messages; by it those are found again.
func (k Key) Digest(prefix string) string {
	sum := sha256.Sum256([]byte(k.Scoped))
	return prefix + "_" + ids.EncodeToString(sum[:16])
}

// Derive is a name that only the holder of secret can make of the key and parts, always
// the same one: 26 characters of Crockford's alphabet.
func (k Key) Derive(secret []byte, parts ...string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(k.Scoped))
	for _, part := range parts {
		h.Write([]byte{0})
		h.Write([]byte(part))
	}
	return ids.EncodeToString(h.Sum(nil)[:16])
}

// Empty reports whether the caller gave no key.
func (k Key) Empty() bool { return k.Scoped == "" }

// Match returns Conflict with CodeMismatch unless the stored fingerprint is the
// one of this request.
func (k Key) Match(fingerprint string) error {
	if k.Fingerprint == fingerprint {
		return nil
	}
	return fault.New(fault.Conflict, CodeMismatch, "this idempotency key was used for another request")
}
