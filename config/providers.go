package config

import (
	"net"
	"net/url"
)

// Stripe is a payment provider of type stripe: one account.
type Stripe struct {
	SecretKey      Secret   `config:"secret_key"`
	PublishableKey string   `config:"publishable_key"` // for confirming in a browser
	WebhookSecrets []Secret `config:"webhook_secrets"` // whsec_…; several while one takes the other's place
	BaseURL        string   `config:"base_url"`
}

// SendGrid is a mail provider of type sendgrid.
type SendGrid struct {
	APIKey  Secret `config:"api_key"`
	BaseURL string `config:"base_url"`
}

// Mailgun is a mail provider of type mailgun.
type Mailgun struct {
	Domain  string `config:"domain"`
	APIKey  Secret `config:"api_key"`
	BaseURL string `config:"base_url"`
}

// Check finds what Stripe cannot work with.
func (s *Stripe) Check() (path, text string) {
	if s.SecretKey.Reveal() == "" {
		return "secret_key", "must be written"
	}
	return "base_url", checkBaseURL(s.BaseURL)
}

// Check finds what SendGrid cannot work with.
func (s *SendGrid) Check() (path, text string) {
	if s.APIKey.Reveal() == "" {
		return "api_key", "must be written"
	}
	return "base_url", checkBaseURL(s.BaseURL)
}

// Check finds what Mailgun cannot work with.
func (m *Mailgun) Check() (path, text string) {
	switch {
	case m.Domain == "":
		return "domain", "must be written"
	case m.APIKey.Reveal() == "":
		return "api_key", "must be written"
	}
	return "base_url", checkBaseURL(m.BaseURL)
}

// checkBaseURL wants https: the key goes with each request. On this machine
// itself it may be http.
func checkBaseURL(text string) string {
	u, err := url.Parse(text)
	local := err == nil && u.Scheme == "http" && Loopback(net.JoinHostPort(u.Hostname(), "80"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !local {
		return "must be an https URL, such as https://api.example.com"
	}
	return ""
}
