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
	Account        string   `config:"account"`         // acct_…; if empty, the key must be allowed to read it
	WebhookSecrets []Secret `config:"webhook_secrets"` // whsec_…; several during a rotation
	BaseURL        string   `config:"base_url"`
}

// Tests is implemented by settings that may be those of a test account, or of a simulator
// on this machine.
type Tests interface{ Test() bool }

// Test implements Tests. Stripe's keys contain the mode.
func (s *Stripe) Test() bool {
	return strings.Contains(s.SecretKey.Reveal(), "_test_") || onThisMachine(s.BaseURL)
}

// Test implements Tests.
func (s *SendGrid) Test() bool { return onThisMachine(s.BaseURL) }

// Test implements Tests.
func (m *Mailgun) Test() bool { return onThisMachine(m.BaseURL) }

// onThisMachine reports whether a URL has a loopback address.
func onThisMachine(base string) bool {
	u, err := url.Parse(base)
	return err == nil && Loopback(net.JoinHostPort(u.Hostname(), "0"))
}

// Signs is implemented by the settings of providers that sign their webhooks. Webhooks
// returns the secrets, any of which may have signed a webhook.
type Signs interface {
	Webhooks() []Secret
	setting() string // the name of the setting
}

// Webhooks implements Signs.
func (s *Stripe) Webhooks() []Secret { return s.WebhookSecrets }
func (*Stripe) setting() string      { return "webhook_secrets" }

// Webhooks implements Signs.
func (m *Mock) Webhooks() []Secret { return m.WebhookSecrets }
func (*Mock) setting() string      { return "webhook_secrets" }

// Webhooks implements Signs. The public keys verify the signatures.
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

// Identifies is implemented by settings that identify the account at a provider: the same
// Credential always means the same account. It is secret.
type Identifies interface{ Credential() string }

// Credential implements Identifies.
func (s *Stripe) Credential() string {
	return strings.Join([]string{s.BaseURL, s.SecretKey.Reveal(), s.Account}, "\n")
}

// SendGrid is a mail provider of type sendgrid.
type SendGrid struct {
	APIKey            Secret   `config:"api_key"`
	WebhookPublicKeys []string `config:"webhook_public_keys"` // base64; several during a rotation
	BaseURL           string   `config:"base_url"`
}

// Mailgun is a mail provider of type mailgun.
type Mailgun struct {
	Domain             string   `config:"domain"`
	APIKey             Secret   `config:"api_key"`
	WebhookSigningKeys []Secret `config:"webhook_signing_keys"` // several during a rotation
	BaseURL            string   `config:"base_url"`
}

var stripeAccount = regexp.MustCompile(`^acct_[A-Za-z0-9]+$`)

// Check reports settings with which Stripe cannot work.
func (s *Stripe) Check() (path, text string) {
	switch {
	case s.SecretKey.Reveal() == "":
		return "secret_key", "must be written"
	case s.Account != "" && !stripeAccount.MatchString(s.Account):
		return "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"
	}
	return "base_url", checkBaseURL(s.BaseURL)
}

// Check reports settings with which SendGrid cannot work.
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

// Check reports settings with which Mailgun cannot work.
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

// checkBaseURL requires https, because the key is sent with each request. http is allowed
// on this machine.
func checkBaseURL(text string) string {
	u, err := url.Parse(text)
	local := err == nil && u.Scheme == "http" && Loopback(net.JoinHostPort(u.Hostname(), "80"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !local {
		return "must be an https URL, such as https://api.example.com"
	}
	return ""
}

// checkWebhooks refuses a secret that two providers share: an event signed with it would be
// valid for both.
func (s *source) checkWebhooks(c *Config) {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Provider)) {
		signs, ok := c.Provider[name].Settings.(Signs)
		if !ok {
			continue
		}
		for i, secret := range signs.Webhooks() {
			if secret.Reveal() == "" { // a missing secret is reported elsewhere
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
