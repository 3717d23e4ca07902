package mailgunmail_test

import (
	"testing"

	"patchbay/adapters/mail/mailgunmail"
	"patchbay/config/setting"
)

func TestAMistakeInSettingsIsNamed(t *testing.T) {
	t.Parallel()
	key := setting.NewSecret("key")
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   mailgunmail.Settings
		path, text string // nothing where it is right
	}{
		"a domain":          {mailgunmail.Settings{Domain: "mg.example.com", APIKey: key, BaseURL: api}, "", ""},
		"no domain":         {mailgunmail.Settings{APIKey: key, BaseURL: api}, "domain", "is required"},
		"what is no domain": {mailgunmail.Settings{Domain: "https://mg.example.com", APIKey: key, BaseURL: api}, "domain", "must be a domain, such as mg.example.com"},
		"no key":            {mailgunmail.Settings{Domain: "mg.example.com", BaseURL: api}, "api_key", "is required"},
		"no URL":            {mailgunmail.Settings{Domain: "d", APIKey: key, BaseURL: "api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
	} {
		want := ""
		if c.text != "" {
			want = c.path + ": " + c.text
		}
		if got := c.settings.Check().String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestASandboxDomainIsNotLive(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]bool{
		"sandbox0123abc.mailgun.org": true, "Sandbox0123ABC.Mailgun.org": true, "sandbox0123abc.mailgun.org.": true,
		"mg.example.com": false, "sandbox.example.com": false, "sandbox1.mailgun.org.example.com": false, "mail.sandbox1.mailgun.org": false, "example.mailgun.org": false,
	} {
		s := mailgunmail.Settings{Domain: domain, BaseURL: "https://api.mailgun.net"}
		if got := s.Test(); got != want {
			t.Errorf("Test of the domain %s = %t, want %t", domain, got, want)
		}
	}
}
