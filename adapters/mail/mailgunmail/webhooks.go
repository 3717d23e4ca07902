package mailgunmail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	// Tolerance is the largest age of a delivery. Mailgun retries for 8 hours with the
	// signature of the first attempt.
	Tolerance = 9 * time.Hour
	// Ahead is how far Mailgun's clock may be ahead of ours.
	Ahead = 5 * time.Minute
	// maxToken exceeds the length of any token, in bytes.
	maxToken = 200
)

// Hook verifies webhooks in Mailgun's format, for every domain that sends them, and reads
// the mail events in them.
//
// Mailgun signs only a time and a token, not the event. So a token is accepted once, and
// somebody who has seen a delivery cannot send it again with another event.
//
// Source: Mailgun's reference, "Webhooks" and "Securing Webhooks".
type Hook struct {
	accounts []provider.Account
	clock    ports.Clock
}

// NewHook returns a Hook. It returns Invalid if a key is empty, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	return &Hook{accounts: accounts, clock: clock}, provider.Distinct(accounts...)
}

// CheckHeaders implements ports.Verifier. All signed data is in the body.
func (h *Hook) CheckHeaders(func(string) string) error { return nil }

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, _ func(string) string) ([]webhook.Event, error) {
	var p mailgun.WebhookPayload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, provider.BadSignature("the body has no signature")
	}
	if err := h.fresh(p.Signature); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.Secrets {
			api := mailgun.NewMailgun("", "")
			api.SetWebhookSigningKey(key)
			if fits, err := api.VerifyWebhookSignature(p.Signature); fits && err == nil {
				e, err := parse(a.Provider, p)
				return []webhook.Event{e}, err
			}
		}
	}
	return nil, provider.BadSignature("no signature matches")
}

// fresh checks the time of a signature, which the library does not check.
func (h *Hook) fresh(s mailgun.Signature) error {
	seconds, err := strconv.ParseInt(s.TimeStamp, 10, 64)
	if err != nil || s.Token == "" || len(s.Token) > maxToken {
		return provider.BadSignature("the signature is missing, or has no time or token")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Ahead {
		return provider.BadSignature("the signature's time is too far from ours")
	}
	return nil
}

// parse reads the envelope of an event.
func parse(provider string, p mailgun.WebhookPayload) (webhook.Event, error) {
	var e struct {
		ID        string  `json:"id"`
		Event     string  `json:"event"`
		Timestamp float64 `json:"timestamp"`
	}
	if err := unmarshal(p.EventData, &e); err != nil || e.Event == "" || e.Timestamp < 0 || e.Timestamp > lastSecond {
		return webhook.Event{}, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	if e.ID == "" {
		sum := sha256.Sum256(bytes.TrimSpace(p.EventData))
		e.ID = "mg_" + hex.EncodeToString(sum[:16])
	}
	return webhook.Event{
		Provider: provider, ID: e.ID, Type: e.Event, Created: timeOf(e.Timestamp).Truncate(time.Second),
		Object: kept(p.EventData), Token: p.Signature.Token,
	}, nil
}

// lastSecond is the end of the year 9999, the last time in RFC 3339.
const lastSecond = 253402300799

// timeOf converts a time of Mailgun's: seconds with a fraction.
func timeOf(seconds float64) time.Time {
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}
