// Package sendgridhook recognises webhooks in SendGrid's form, for every account that
// sends them, and reads what they tell of a message.
//
// Source: SendGrid's reference, "Event Webhook" and "Event Webhook Security Features".
package sendgridhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/sendgrid-go/helpers/eventwebhook"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	// Tolerance is how old a delivery may be. SendGrid tries for 24 hours, and its
	// signature is that of the first try. What comes again meanwhile is no news.
	Tolerance = 25 * time.Hour
	// Ahead is how far its clock may be before ours.
	Ahead = 5 * time.Minute
)

// Account is a provider with the keys that verify its webhooks: two while a key is changed.
type Account struct {
	Provider string   // the configured name
	Keys     []string // as SendGrid shows them: base64 of a PKIX public key
}

// Hook verifies and reads webhooks.
type Hook struct {
	accounts []account
	clock    ports.Clock
}

type account struct {
	provider string
	keys     []*ecdsa.PublicKey
}

var (
	_ ports.Verifier   = (*Hook)(nil)
	_ ports.MailReader = (*Hook)(nil)
)

// New makes a Hook. A key that is none of ECDSA on P-256, or that two accounts share, is
// Invalid: an event must speak for one account only.
func New(clock ports.Clock, accounts ...Account) (*Hook, error) {
	h := &Hook{clock: clock}
	owner := make(map[string]string)
	for _, a := range accounts {
		one := account{provider: a.Provider}
		for _, text := range a.Keys {
			key, err := parseKey(text)
			if err != nil {
				return nil, fault.New(fault.Invalid, "invalid_key", "a webhook key of "+a.Provider+" is no public key of SendGrid's")
			}
			if other, taken := owner[text]; taken && other != a.Provider {
				return nil, fault.New(fault.Invalid, "shared_secret", a.Provider+" and "+other+" have the same webhook key")
			}
			owner[text] = a.Provider
			one.keys = append(one.keys, key)
		}
		h.accounts = append(h.accounts, one)
	}
	return h, nil
}

var errKey = fault.New(fault.Invalid, "invalid_key", "not a public key of ECDSA on P-256")

// parseKey is the library's, which panics at a key of another kind.
func parseKey(text string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errKey
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if key, ok := parsed.(*ecdsa.PublicKey); err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errKey
	}
	return eventwebhook.ConvertPublicKeyBase64ToECDSA(text)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	der, err := base64.StdEncoding.DecodeString(get(eventwebhook.VerificationHTTPHeader))
	if err != nil || !signature(der) {
		return refused("the signature header is missing, or has no signature")
	}
	seconds, err := strconv.ParseInt(get(eventwebhook.TimestampHTTPHeader), 10, 64)
	if err != nil {
		return refused("the header with the signature's time is missing, or has no time")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Ahead {
		return refused("the signature's time is too far from ours")
	}
	return nil
}

func signature(der []byte) bool {
	var rs eventwebhook.RS
	rest, err := asn1.Unmarshal(der, &rs)
	return err == nil && len(rest) == 0
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(body []byte, get func(string) string) ([]event.Webhook, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.keys {
			fits, err := eventwebhook.VerifySignature(key, body, get(eventwebhook.VerificationHTTPHeader), get(eventwebhook.TimestampHTTPHeader))
			if fits && err == nil {
				return parse(a.provider, body)
			}
		}
	}
	return nil, refused("no signature fits")
}

func refused(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// parse takes the events out of a body, each once. One that is of no known shape is an
// event too, and does not hold back the others.
func parse(provider string, body []byte) ([]event.Webhook, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || all == nil {
		return nil, fault.New(fault.Invalid, "invalid_payload", "the body is not a list of events")
	}
	events := make([]event.Webhook, 0, len(all))
	seen := make(map[string]bool, len(all))
	for _, raw := range all {
		o, _ := read(raw) // what cannot be read has no type, and is refused when it is applied
		id := o.identity(raw)
		if seen[id] {
			continue
		}
		seen[id] = true
		events = append(events, event.Webhook{
			Provider: provider, ID: id, Type: o.Event, Created: time.Unix(o.Timestamp, 0).UTC(), Object: slices.Clone(raw),
		})
	}
	return events, nil
}

// identity names a piece of news. It is made of what is told: SendGrid's own sg_event_id
// has been seen to be another when an event is sent again.
func (o object) identity(raw []byte) string {
	told := []any{o.Event, strings.ToLower(o.Email), o.Timestamp, o.MessageID, o.Message, o.Attempt, string(o.Try), o.URL}
	if o.Event == "" {
		told = []any{string(raw)}
	}
	text, _ := json.Marshal(told) // texts and a number
	sum := sha256.Sum256(text)
	return "sg_" + hex.EncodeToString(sum[:16])
}
