// Package mailgunhook recognises webhooks in Mailgun's form, for every domain that sends
// them, and reads what they tell of a message.
//
// Only a time and a token are signed, and not what is told. So a token counts once: who
// has seen a delivery cannot send it again with other news.
//
// Source: Mailgun's reference, "Webhooks" and "Securing Webhooks".
package mailgunhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	// Tolerance is how old a delivery may be. Mailgun tries for 8 hours, and its
	// signature is that of the first try.
	Tolerance = 9 * time.Hour
	// Ahead is how far its clock may be before ours.
	Ahead = 5 * time.Minute
	// maxToken is more bytes than a token has.
	maxToken = 200
)

// Account is a provider with the keys that its webhooks are signed with: two while a key
// is changed.
type Account struct {
	Provider string // the configured name
	Keys     []string
}

// Hook verifies and reads webhooks.
type Hook struct {
	accounts []Account
	clock    ports.Clock
}

var (
	_ ports.Verifier   = (*Hook)(nil)
	_ ports.MailReader = (*Hook)(nil)
)

// New makes a Hook. A key that is empty, or that two accounts share, is Invalid: an event
// must speak for one account only.
func New(clock ports.Clock, accounts ...Account) (*Hook, error) {
	owner := make(map[string]string)
	for _, a := range accounts {
		for _, key := range a.Keys {
			if key == "" {
				return nil, fault.New(fault.Invalid, "empty_secret", "a webhook key of "+a.Provider+" is empty")
			}
			if other, taken := owner[key]; taken && other != a.Provider {
				return nil, fault.New(fault.Invalid, "shared_secret", a.Provider+" and "+other+" have the same webhook key")
			}
			owner[key] = a.Provider
		}
	}
	return &Hook{accounts: accounts, clock: clock}, nil
}

// CheckHeaders implements ports.Verifier. All that is signed is in the body.
func (h *Hook) CheckHeaders(func(string) string) error { return nil }

// Verify implements ports.Verifier.
func (h *Hook) Verify(body []byte, _ func(string) string) ([]event.Webhook, error) {
	var p mailgun.WebhookPayload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, refused("the body has no signature")
	}
	if err := h.fresh(p.Signature); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.Keys {
			api := mailgun.NewMailgun("", "")
			api.SetWebhookSigningKey(key)
			if fits, err := api.VerifyWebhookSignature(p.Signature); fits && err == nil {
				e, err := parse(a.Provider, p)
				return []event.Webhook{e}, err
			}
		}
	}
	return nil, refused("no signature fits")
}

// fresh checks the time of a signature, which the library does not look at.
func (h *Hook) fresh(s mailgun.Signature) error {
	seconds, err := strconv.ParseInt(s.TimeStamp, 10, 64)
	if err != nil || s.Token == "" || len(s.Token) > maxToken {
		return refused("the signature is missing, or has no time or token")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Ahead {
		return refused("the signature's time is too far from ours")
	}
	return nil
}

func refused(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// parse reads the envelope of an event.
func parse(provider string, p mailgun.WebhookPayload) (event.Webhook, error) {
	var e struct {
		ID        string  `json:"id"`
		Event     string  `json:"event"`
		Timestamp float64 `json:"timestamp"`
	}
	if err := unmarshal(p.EventData, &e); err != nil || e.Event == "" || e.Timestamp < 0 || e.Timestamp > lastSecond {
		return event.Webhook{}, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	if e.ID == "" {
		sum := sha256.Sum256(bytes.TrimSpace(p.EventData))
		e.ID = "mg_" + hex.EncodeToString(sum[:16])
	}
	return event.Webhook{
		Provider: provider, ID: e.ID, Type: e.Event, Created: moment(e.Timestamp).Truncate(time.Second),
		Object: slices.Clone(json.RawMessage(p.EventData)), Token: p.Signature.Token,
	}, nil
}

// lastSecond is the end of the year 9999, after which RFC 3339 has no times.
const lastSecond = 253402300799

// moment is a time as Mailgun writes it: seconds with a fraction.
func moment(seconds float64) time.Time {
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}
