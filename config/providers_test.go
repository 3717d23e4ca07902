package config_test

import (
	"testing"

	"patchbay/config"
)

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
