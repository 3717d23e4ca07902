package mockpay

import (
	"slices"
	"strings"

	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Provider registers the type mock. Its webhooks have Stripe's format.
var Provider = provider.Payment{
	Type: setting.Type{Name: "mock", Simulated: true, Settings: func() any { return &Settings{} }},
	New: func(e provider.Environment) (ports.PaymentGateway, error) {
		return New(Options{
			Name: e.Name, Journal: e.Journal, Clock: e.Clock, IDs: e.IDs, Log: e.Log, Fault: e.Settings.(*Settings).Fault,
			Approval: e.Approval, Endpoint: e.Endpoint, WebhookSecret: e.Secrets[0], Wake: e.Wake,
		})
	},
	Webhooks: provider.Webhooks[provider.PaymentHook]{Format: "stripe"},
}

// Settings are those of a mock account.
type Settings struct {
	// Fault makes every new payment fail, to test what follows: see docs/configuration.md.
	Fault string `config:"fault"`
	// WebhookSecrets verify the mock's webhooks; it signs with the first. Without any, a
	// random one of this installation is used.
	WebhookSecrets []setting.Secret `config:"webhook_secrets"`
}

// Check implements setting.Checks.
func (s *Settings) Check() (path, text string) {
	if s.Fault != "" && !slices.Contains(stripesim.Faults(), s.Fault) {
		return "fault", "is not one of " + strings.Join(stripesim.Faults(), ", ")
	}
	return "", ""
}

// Signing implements setting.Signs.
func (s *Settings) Signing() (key string, secrets []setting.Secret) {
	return "webhook_secrets", s.WebhookSecrets
}
