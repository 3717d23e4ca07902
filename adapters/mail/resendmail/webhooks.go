package resendmail

import (
	"context"
	"encoding/base64"
	"strings"

	"patchbay/adapters/mail/signed"
	"patchbay/adapters/provider"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// headers are the names of Svix for the headers of Standard Webhooks.
var headers = signed.Names{ID: "Svix-Id", Time: "Svix-Timestamp", Signature: "Svix-Signature"}

// Hook verifies webhooks in Resend's format, for every account that sends them, and reads the mail
// events in them. They are signed as Standard Webhooks describes, under the header names of Svix. A
// delivery that is sent again has the id of the first.
//
// Source: https://resend.com/docs/webhooks/verify-webhooks-requests
type Hook struct {
	accounts []account
	clock    ports.Clock
}

type account struct {
	provider string
	keys     [][]byte
}

// NewHook returns a Hook. The secrets of an account are its signing secrets as Resend shows them:
// whsec_ and base64. It returns Invalid if one is not of this form, or shared by two accounts.
func NewHook(clock ports.Clock, accounts ...provider.Account) (provider.MailHook, error) {
	h := &Hook{clock: clock}
	if err := provider.Distinct(accounts...); err != nil {
		return h, err
	}
	for _, a := range accounts {
		one := account{provider: a.Provider}
		for _, secret := range a.Secrets {
			key, err := parseSecret(secret)
			if err != nil {
				return h, fault.New(fault.Invalid, "invalid_secret", "a webhook secret of "+a.Provider+" is no signing secret of Resend's")
			}
			one.keys = append(one.keys, key)
		}
		h.accounts = append(h.accounts, one)
	}
	return h, nil
}

var errSecret = fault.New(fault.Invalid, "invalid_secret", "not a signing secret: whsec_ and base64")

// parseSecret returns the key in a signing secret.
func parseSecret(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) == 0 {
		return nil, errSecret
	}
	return key, nil
}

// CheckHeaders implements ports.Verifier.
func (h *Hook) CheckHeaders(get func(string) string) error {
	_, err := signed.Read(get, headers, h.clock.Now())
	return err
}

// Verify implements ports.Verifier.
func (h *Hook) Verify(_ context.Context, body []byte, get func(string) string) ([]webhook.Event, error) {
	d, err := signed.Read(get, headers, h.clock.Now())
	if err != nil {
		return nil, err
	}
	for _, a := range h.accounts {
		for _, key := range a.keys {
			if d.With(key, body) {
				return parse(a.provider, d, body)
			}
		}
	}
	return nil, provider.BadSignature("no signature matches")
}
