package sendgridmail_test

import (
	"testing"

	"patchbay/adapters/mail/sendgridmail"
	"patchbay/config/setting"
)

func TestAMistakeInSettingsIsNamed(t *testing.T) {
	t.Parallel()
	key := setting.NewSecret("key")
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   sendgridmail.Settings
		path, text string // nothing where it is right
	}{
		"a key":              {sendgridmail.Settings{APIKey: key, BaseURL: api}, "", ""},
		"no key":             {sendgridmail.Settings{BaseURL: api}, "api_key", "is required"},
		"webhook keys":       {sendgridmail.Settings{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{officialKey}}, "", ""},
		"what is no key":     {sendgridmail.Settings{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{officialKey, "aGVsbG8="}}, "webhook_public_keys[1]", "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"},
		"an empty key":       {sendgridmail.Settings{APIKey: key, BaseURL: api, WebhookPublicKeys: []string{""}}, "webhook_public_keys[0]", "must be the public key that SendGrid shows: base64 of a key for ECDSA on P-256"},
		"a query in the URL": {sendgridmail.Settings{APIKey: key, BaseURL: api + "?key=1"}, "base_url", "must be an https URL, such as https://api.example.com"},
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
