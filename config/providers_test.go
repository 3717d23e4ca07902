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
