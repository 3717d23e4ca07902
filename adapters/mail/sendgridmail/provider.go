package sendgridmail

import (
	"fmt"

	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Provider registers the type sendgrid.
var Provider = provider.Mail{
	Type: setting.Type{Name: "sendgrid", Settings: func() any { return &Settings{BaseURL: DefaultBaseURL} }},
	New: func(e provider.Environment) (ports.Mailer, error) {
		s := e.Settings.(*Settings)
		return New(Options{Name: e.Name, APIKey: s.APIKey.Reveal(), HTTP: e.HTTP(s.BaseURL)})
	},
	Webhooks: provider.Webhooks[provider.MailHook]{Format: "sendgrid", New: NewHook},
}

// Settings are those of an account at SendGrid.
type Settings struct {
	APIKey            setting.Secret  `config:"api_key"`
	WebhookPublicKeys []string        `config:"webhook_public_keys"` // base64; several during a rotation
	BaseURL           setting.BaseURL `config:"base_url"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (path, text string) {
	if s.APIKey.Reveal() == "" {
		return "api_key", "must be written"
	}
	for i, key := range s.WebhookPublicKeys {
		if _, err := parseKey(key); err != nil {
			return fmt.Sprintf("webhook_public_keys[%d]", i), "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"
		}
	}
	return "base_url", s.BaseURL.Check()
}

// Test implements setting.Tests.
func (s *Settings) Test() bool { return s.BaseURL.Local() }

// Signing implements setting.Signs. The public keys verify the signatures.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	for _, key := range s.WebhookPublicKeys {
		secrets = append(secrets, setting.NewSecret(key))
	}
	return "webhook_public_keys", secrets
}
