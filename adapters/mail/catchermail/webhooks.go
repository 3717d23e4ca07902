package catchermail

import (
	"context"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// Tolerance is the largest age of a webhook, and the largest lead of the sender's clock over ours. Each is
// signed anew when it is sent again.
const Tolerance = 5 * time.Minute

// Hook verifies the webhooks of catchers, and reads the events in them. They are signed as Standard
// Webhooks describes.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type Hook struct {
	clock    ports.Clock
	accounts []provider.Account
}

// NewHook returns a Hook. It returns Invalid if a secret is empty, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	return &Hook{clock, accounts}, provider.Distinct(accounts...)
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	seconds, err := strconv.ParseInt(get(standardwebhooks.HeaderWebhookTimestamp), 10, 64)
	switch {
	case get(standardwebhooks.HeaderWebhookID) == "" || get(standardwebhooks.HeaderWebhookSignature) == "":
		return badSignature("a header of the signature is missing")
	case err != nil:
		return badSignature("the header with the signature's time is missing, or has no time")
	}
	if age := h.clock.Now().Sub(time.Unix(seconds, 0)); age > Tolerance || age < -Tolerance {
		return badSignature("the signature's time is too far from ours")
	}
	return nil
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	if err := h.CheckHeaders(get); err != nil {
		return nil, err
	}
	headers := http.Header{}
	for _, name := range []string{standardwebhooks.HeaderWebhookID, standardwebhooks.HeaderWebhookTimestamp, standardwebhooks.HeaderWebhookSignature} {
		headers.Set(name, get(name))
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			signer, err := standardwebhooks.NewWebhookRaw([]byte(secret))
			if err == nil && signer.VerifyIgnoringTimestamp(body, headers) == nil { // the time is checked above, by our clock
				return parse(a.Provider, body)
			}
		}
	}
	return nil, badSignature("no signature fits")
}

func badSignature(why string) error { return fault.New(fault.Invalid, "invalid_signature", why) }
