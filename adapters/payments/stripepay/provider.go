package stripepay

import (
	"strings"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Provider registers the type stripe.
var Provider = provider.Payment{
	Type: setting.Type{Name: "stripe", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.PaymentGateway, error) {
		s := e.Settings.(*Settings)
		return New(Options{
			Name: e.Name, SecretKey: s.SecretKey.Reveal(), PublishableKey: s.PublishableKey, Account: s.Account, HTTP: e.HTTP(s.BaseURL),
		})
	},
	Webhooks: provider.Webhooks[provider.PaymentHook]{Format: "stripe", New: NewHook},
}

// Settings are those of an account at Stripe.
type Settings struct {
	SecretKey      setting.Secret   `config:"secret_key"`
	PublishableKey string           `config:"publishable_key"` // for confirming in a browser
	Account        string           `config:"account"`         // acct_…; if empty, the key must be allowed to read it
	WebhookSecrets []setting.Secret `config:"webhook_secrets"` // whsec_…; several during a rotation
	BaseURL        setting.BaseURL  `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (path, text string) {
	switch {
	case s.SecretKey.Reveal() == "":
		return "secret_key", "must be written"
	case s.Account != "" && !accountID.MatchString(s.Account):
		return "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"
	}
	return "base_url", s.BaseURL.Check()
}

// Test implements setting.Tests. Stripe's keys contain the mode.
func (s *Settings) Test() bool {
	return strings.Contains(s.SecretKey.Reveal(), "_test_") || s.BaseURL.Local()
}

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_secrets", s.WebhookSecrets
}

// Credential implements setting.Identifies.
func (s *Settings) Credential() string {
	return strings.Join([]string{string(s.BaseURL), s.SecretKey.Reveal(), s.Account}, "\n")
}
