package mailgunmail

import (
	"strings"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Provider registers the type mailgun.
var Provider = provider.Mail{
	Type: setting.Type{Name: "mailgun", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{Name: e.Name, Domain: s.Domain, APIKey: s.APIKey.Reveal(), HTTP: e.HTTP(s.BaseURL)})
	},
	Webhooks: provider.Webhooks[provider.MailHook]{Format: "mailgun", New: NewHook},
}

// Settings are those of a domain at Mailgun.
type Settings struct {
	Domain             string           `config:"domain"`
	APIKey             setting.Secret   `config:"api_key"`
	WebhookSigningKeys []setting.Secret `config:"webhook_signing_keys"` // several during a rotation
	BaseURL            setting.BaseURL  `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (path, text string) {
	switch {
	case s.Domain == "":
		return "domain", "must be written"
	case strings.ContainsFunc(s.Domain, foreign):
		return "domain", "must be a domain, such as mg.example.com"
	case s.APIKey.Reveal() == "":
		return "api_key", "must be written"
	}
	return "base_url", s.BaseURL.Check()
}

// Test implements setting.Tests.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_signing_keys", s.WebhookSigningKeys
}
