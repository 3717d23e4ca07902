package stripepay

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	signed "github.com/stripe/stripe-go/v76/webhook"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

const (
	header = "Stripe-Signature"
	// Tolerance is the largest difference between the time of a signature and ours, in both
	// directions. Stripe's libraries check only the past; a signature from the future could
	// be replayed for that much longer.
	Tolerance = 5 * time.Minute
)

// Hook verifies webhooks in Stripe's format, for every account that sends them, and reads
// the payments in them.
//
// Source: docs.stripe.com/webhooks (signatures).
type Hook struct {
	accounts []provider.Account
	clock    ports.Clock
}

// NewHook returns a Hook. It returns Invalid if a secret is empty, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.PaymentHook, error) {
	return &Hook{accounts: accounts, clock: clock}, provider.Distinct(accounts...)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error { return h.fresh(get(header)) }

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	signature := get(header)
	if err := h.fresh(signature); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			if signed.ValidatePayloadIgnoringTolerance(body, signature, secret) == nil {
				e, err := parseEvent(a.Provider, body)
				return []webhook.Event{e}, err
			}
		}
	}
	return nil, refused("no signature fits")
}

// fresh checks the time of a signature, which the library checks in one direction only.
func (h *Hook) fresh(signature string) error {
	at, ok := timestamp(signature)
	if !ok {
		return refused("the signature header is missing or has no time")
	}
	if d := h.clock.Now().Sub(at); d > Tolerance || d < -Tolerance {
		return refused("the signature's time is too far from ours")
	}
	return nil
}

// timestamp reads t=. It refuses a header with two, because it is unclear which one was
// signed.
func timestamp(signature string) (at time.Time, ok bool) {
	for part := range strings.SplitSeq(signature, ",") {
		value, found := strings.CutPrefix(part, "t=")
		if !found {
			continue
		}
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || ok {
			return time.Time{}, false
		}
		at, ok = time.Unix(seconds, 0), true
	}
	return at, ok
}

func refused(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }

// parse reads the envelope of an event.
func parseEvent(provider string, body []byte) (webhook.Event, error) {
	var e struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
		// Before 2017-05-25 this was only the request's id.
		Request json.RawMessage `json:"request"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" || e.Type == "" {
		return webhook.Event{}, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	var request struct {
		Key string `json:"idempotency_key"`
	}
	_ = json.Unmarshal(e.Request, &request) // in another form it has no key
	return webhook.Event{
		Provider: provider, ID: e.ID, Type: e.Type, Created: time.Unix(e.Created, 0).UTC(), Object: e.Data.Object, Key: request.Key,
	}, nil
}
