// Package stripehook recognises webhooks in Stripe's form, for every account
// that sends them, and reads what they say of a payment.
//
// Source: docs.stripe.com/webhooks (signatures), API version 2023-10-16.
package stripehook

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	header = "Stripe-Signature"
	// Tolerance is how far the time of a signature may be from ours, both ways.
	// Stripe's libraries check only the past; a signature from the future could
	// be replayed for as long.
	Tolerance = 5 * time.Minute
)

// Account is a provider with the secrets that its webhooks are signed with: two
// while a secret is changed.
type Account struct {
	Provider string // the configured name
	Secrets  []string
}

// Hook verifies and reads webhooks.
type Hook struct {
	accounts []Account
	clock    ports.Clock
}

var (
	_ ports.Verifier      = (*Hook)(nil)
	_ ports.PaymentReader = (*Hook)(nil)
)

// New makes a Hook. A secret that is empty, or that two accounts share, is
// Invalid: an event must speak for one account only.
func New(clock ports.Clock, accounts ...Account) (*Hook, error) {
	owner := make(map[string]string)
	for _, a := range accounts {
		for _, secret := range a.Secrets {
			if secret == "" {
				return nil, fault.New(fault.Invalid, "empty_secret", "a webhook secret of "+a.Provider+" is empty")
			}
			if other, taken := owner[secret]; taken && other != a.Provider {
				return nil, fault.New(fault.Invalid, "shared_secret",
					a.Provider+" and "+other+" have the same webhook secret")
			}
			owner[secret] = a.Provider
		}
	}
	return &Hook{accounts: accounts, clock: clock}, nil
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error { return h.fresh(get(header)) }

// Verify implements ports.Verifier.
func (h *Hook) Verify(body []byte, get func(string) string) ([]event.Webhook, error) {
	signature := get(header)
	if err := h.fresh(signature); err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			if webhook.ValidatePayloadIgnoringTolerance(body, signature, secret) == nil {
				e, err := parse(a.Provider, body)
				return []event.Webhook{e}, err
			}
		}
	}
	return nil, refused("no signature fits")
}

// fresh checks the time of a signature, which the library checks one way only.
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

// timestamp reads t=. A header with two is refused: which one was signed?
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
func parse(provider string, body []byte) (event.Webhook, error) {
	var e struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    struct {
			Object json.RawMessage `json:"object"`
		} `json:"data"`
		// Before 2017-05-25 only the request's id was told.
		Request json.RawMessage `json:"request"`
	}
	if err := json.Unmarshal(body, &e); err != nil || e.ID == "" || e.Type == "" {
		return event.Webhook{}, fault.New(fault.Invalid, "invalid_payload", "the body is not an event")
	}
	var request struct {
		Key string `json:"idempotency_key"`
	}
	_ = json.Unmarshal(e.Request, &request) // where it is of another shape, it tells no key
	return event.Webhook{
		Provider: provider, ID: e.ID, Type: e.Type, Created: time.Unix(e.Created, 0).UTC(), Object: e.Data.Object, Key: request.Key,
	}, nil
}
