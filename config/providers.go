package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Stripe is a payment provider of type stripe: one account.
type Stripe struct {
	SecretKey      Secret   `config:"secret_key"`
	PublishableKey string   `config:"publishable_key"` // for confirming in a browser
	Account        string   `config:"account"`         // acct_…; empty: the key may read it
	WebhookSecrets []Secret `config:"webhook_secrets"` // whsec_…; several while one takes the other's place
	BaseURL        string   `config:"base_url"`
}

// Tries is what settings have that may be those of an account for trying.
type Tries interface{ Test() bool }

// Test implements Tries: Stripe's keys say so.
func (s *Stripe) Test() bool { return strings.Contains(s.SecretKey.Reveal(), "_test_") }

// Signs is what settings do whose provider signs its webhooks: Webhooks are the
// secrets, any of which may have signed one.
type Signs interface {
	Webhooks() []Secret
	setting() string // that they are written in
}

// Webhooks implements Signs.
func (s *Stripe) Webhooks() []Secret { return s.WebhookSecrets }
func (*Stripe) setting() string      { return "webhook_secrets" }

// Webhooks implements Signs.
func (m *Mock) Webhooks() []Secret { return m.WebhookSecrets }
func (*Mock) setting() string      { return "webhook_secrets" }

// Webhooks implements Signs: a key that verifies stands for the one that signs.
func (s *SendGrid) Webhooks() []Secret {
	keys := make([]Secret, len(s.WebhookPublicKeys))
	for i, key := range s.WebhookPublicKeys {
		keys[i] = NewSecret(key)
	}
	return keys
}
func (*SendGrid) setting() string { return "webhook_public_keys" }

// Webhooks implements Signs.
func (m *Mailgun) Webhooks() []Secret { return m.WebhookSigningKeys }
func (*Mailgun) setting() string      { return "webhook_signing_keys" }

// Identifies is what settings do that tell which account at a provider is meant:
// the same Credential always means the same one. It is a secret.
type Identifies interface{ Credential() string }

// Credential implements Identifies.
func (s *Stripe) Credential() string {
	return strings.Join([]string{s.BaseURL, s.SecretKey.Reveal(), s.Account}, "\n")
}

// SendGrid is a mail provider of type sendgrid.
type SendGrid struct {
	APIKey            Secret   `config:"api_key"`
	WebhookPublicKeys []string `config:"webhook_public_keys"` // base64; several while one takes the other's place
	BaseURL           string   `config:"base_url"`
}

// Mailgun is a mail provider of type mailgun.
type Mailgun struct {
	Domain             string   `config:"domain"`
	APIKey             Secret   `config:"api_key"`
	WebhookSigningKeys []Secret `config:"webhook_signing_keys"` // several while one takes the other's place
	BaseURL            string   `config:"base_url"`
}

var stripeAccount = regexp.MustCompile(`^acct_[A-Za-z0-9]+$`)

// Check finds what Stripe cannot work with.
func (s *Stripe) Check() (path, text string) {
	switch {
	case s.SecretKey.Reveal() == "":
		return "secret_key", "must be written"
	case s.Account != "" && !stripeAccount.MatchString(s.Account):
		return "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"
	}
	return "base_url", checkBaseURL(s.BaseURL)
}

// Check finds what SendGrid cannot work with.
func (s *SendGrid) Check() (path, text string) {
	if s.APIKey.Reveal() == "" {
		return "api_key", "must be written"
	}
	for i, key := range s.WebhookPublicKeys {
		if !publicKey(key) {
			return fmt.Sprintf("webhook_public_keys[%d]", i), "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"
		}
	}
	return "base_url", checkBaseURL(s.BaseURL)
}

func publicKey(text string) bool {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	key, ok := parsed.(*ecdsa.PublicKey)
	return err == nil && ok && key.Curve == elliptic.P256()
}

var domain = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

// Check finds what Mailgun cannot work with.
func (m *Mailgun) Check() (path, text string) {
	switch {
	case m.Domain == "":
		return "domain", "must be written"
	case !domain.MatchString(m.Domain):
		return "domain", "must be a domain, such as mg.example.com"
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

// checkWebhooks refuses a secret at two providers: an event that it signed would
// speak for both.
func (s *source) checkWebhooks(c *Config) {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Provider)) {
		signs, ok := c.Provider[name].Settings.(Signs)
		if !ok {
			continue
		}
		for i, secret := range signs.Webhooks() {
			if secret.Reveal() == "" { // it is told elsewhere that this is missing
				continue
			}
			if other, taken := owner[secret.Reveal()]; taken && other != name {
				s.mistake(fmt.Sprintf("providers.%s.%s[%d]", name, signs.setting(), i),
					"is a secret of %q too: an event must speak for one account", other)
			}
			owner[secret.Reveal()] = name
		}
	}
}
