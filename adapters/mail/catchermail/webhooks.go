package catchermail

import (
	"context"

	"patchbay/adapters/mail/signed"
	"patchbay/adapters/provider"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// Hook verifies the webhooks of catchers, and reads the events in them. They are signed as Standard
// Webhooks describes.
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
	_, err := signed.Read(get, signed.Standard, h.clock.Now())
	return err
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	d, err := signed.Read(get, signed.Standard, h.clock.Now())
	if err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, secret := range a.Secrets {
			if d.With([]byte(secret), body) {
				return parse(a.Provider, body)
			}
		}
	}
	return nil, provider.BadSignature("no signature matches")
}
