package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/config"
)

// publicKey is one as SendGrid shows it: that of its library's tests.
const publicKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="

func TestWhatProvidersMustHave(t *testing.T) {
	t.Parallel()
	key := config.NewSecret("sk_test")
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   interface{ Check() (path, text string) }
		path, text string // nothing where it is right
	}{
		"stripe":                         {&config.Stripe{SecretKey: key, BaseURL: api}, "", ""},
		"stripe without a key":           {&config.Stripe{BaseURL: api}, "secret_key", "must be written"},
		"stripe with its account":        {&config.Stripe{SecretKey: key, BaseURL: api, Account: "acct_1A"}, "", ""},
		"stripe with what is no account": {&config.Stripe{SecretKey: key, BaseURL: api, Account: "pi_1"}, "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"},
		"sendgrid":                       {&config.SendGrid{APIKey: key, BaseURL: api}, "", ""},
		"sendgrid without a key":         {&config.SendGrid{BaseURL: api}, "api_key", "must be written"},
		"sendgrid with webhook keys":     {&config.SendGrid{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{publicKey}}, "", ""},
		"sendgrid with what is no key":   {&config.SendGrid{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{publicKey, "aGVsbG8="}}, "webhook_public_keys[1]", "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"},
		"sendgrid with an empty key":     {&config.SendGrid{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{""}}, "webhook_public_keys[0]", "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"},
		"mailgun":                        {&config.Mailgun{Domain: "mg.example.com", APIKey: key, BaseURL: api}, "", ""},
		"mailgun without a domain":       {&config.Mailgun{APIKey: key, BaseURL: api}, "domain", "must be written"},
		"mailgun with what is no domain": {&config.Mailgun{Domain: "https://mg.example.com", APIKey: key, BaseURL: api}, "domain", "must be a domain, such as mg.example.com"},
		"mailgun without a key":          {&config.Mailgun{Domain: "mg.example.com", BaseURL: api}, "api_key", "must be written"},
		"plain http on this machine":     {&config.Stripe{SecretKey: key, BaseURL: "http://127.0.0.1:8000"}, "", ""},
		"plain http on localhost":        {&config.Stripe{SecretKey: key, BaseURL: "http://localhost"}, "", ""},
		"plain http to somewhere else":   {&config.Stripe{SecretKey: key, BaseURL: "http://api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
		"a password in the URL":          {&config.Stripe{SecretKey: key, BaseURL: "https://u:p@api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
		"a query in the URL":             {&config.SendGrid{APIKey: key, BaseURL: api + "?key=1"}, "base_url", "must be an https URL, such as https://api.example.com"},
		"no URL":                         {&config.Mailgun{Domain: "d", APIKey: key, BaseURL: "api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
	} {
		path, text := c.settings.Check()
		if text != c.text || text != "" && path != c.path {
			t.Errorf("%s: %s %s, want %s %s", name, path, text, c.path, c.text)
		}
	}
}

// Whatever else is written, the same credential means the same account.
func TestACredentialTellsAccountsApart(t *testing.T) {
	t.Parallel()
	first := config.Stripe{SecretKey: config.NewSecret("sk_1"), BaseURL: "https://a.example.com"}
	same := first
	same.PublishableKey, same.WebhookSecrets = "pk_1", []config.Secret{config.NewSecret("whsec_1")}
	if first.Credential() != same.Credential() {
		t.Errorf("%q, then %q", first.Credential(), same.Credential())
	}
	for name, change := range map[string]func(*config.Stripe){
		"another key":     func(s *config.Stripe) { s.SecretKey = config.NewSecret("sk_2") },
		"another address": func(s *config.Stripe) { s.BaseURL = "https://b.example.com" },
		"another account": func(s *config.Stripe) { s.Account = "acct_2" },
	} {
		other := first
		if change(&other); other.Credential() == first.Credential() {
			t.Errorf("%s is the same credential", name)
		}
	}
}

// A key of webhooks at two providers is a mistake, and is told where it stands.
func TestAWebhookKeyOfTwoProviders(t *testing.T) {
	t.Parallel()
	mailgun := func() any { return &config.Mailgun{BaseURL: "https://api.mailgun.net"} }
	sendgrid := func() any { return &config.SendGrid{BaseURL: "https://api.sendgrid.com"} }
	all := append(types(), config.Type{Name: "mailgun", Sort: config.ForMail, Settings: mailgun}, config.Type{Name: "sendgrid", Sort: config.ForMail, Settings: sendgrid})
	for name, c := range map[string]struct{ of, want string }{
		"mailgun":  {"type: mailgun, domain: mg.example.com, api_key: '${KEY}', webhook_signing_keys: ['${SIGNING}']", "providers.b.webhook_signing_keys[0]"},
		"sendgrid": {"type: sendgrid, api_key: '${KEY}', webhook_public_keys: ['${PUBLIC}']", "providers.b.webhook_public_keys[0]"},
	} {
		file := filepath.Join(t.TempDir(), name+".yaml")
		text := fmt.Sprintf("mail: {providers: [a, b]}\nproviders:\n  a: {%s}\n  b: {%s}\n", c.of, c.of)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(file, []string{"KEY=key_1", "SIGNING=key_2", "PUBLIC=" + publicKey}, all)
		if want := c.want + `: is a secret of "a" too: an event must speak for one account`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		// Variables that are not set are told of by themselves, not as one secret of two.
		_, err = config.Load(file, []string{"KEY=key_1", "SIGNING=", "PUBLIC="}, all)
		if err != nil && strings.Contains(err.Error(), `is a secret of "a" too`) {
			t.Errorf("%s, empty: %v", name, err)
		}
	}
}
