package resendmail_test

import (
	"testing"

	"patchbay/adapters/mail/resendmail"
	"patchbay/config/setting"
	"patchbay/core/fault"
)

func TestAMistakeInSettingsIsNamed(t *testing.T) {
	t.Parallel()
	key, secret := setting.NewSecret("re_1"), setting.NewSecret(secretNew)
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   resendmail.Settings
		path, text string // nothing where it is right
	}{
		"a key":              {resendmail.Settings{APIKey: key, BaseURL: api}, "", ""},
		"secrets":            {resendmail.Settings{APIKey: key, WebhookSecrets: []setting.Secret{secret}, BaseURL: api}, "", ""},
		"no key":             {resendmail.Settings{BaseURL: api}, "api_key", "is required"},
		"what is no secret":  {resendmail.Settings{APIKey: key, WebhookSecrets: []setting.Secret{secret, key}, BaseURL: api}, "webhook_secrets[1]", "must be the signing secret that Resend shows: whsec_ and base64"},
		"what it tracks":     {resendmail.Settings{APIKey: key, Tracking: "off", BaseURL: api}, "", ""},
		"neither on nor off": {resendmail.Settings{APIKey: key, Tracking: "no", BaseURL: api}, "tracking", "must be on or off, as the account's domains do"},
		"what is no address": {resendmail.Settings{APIKey: key, BaseURL: "api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
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

func TestAnAccountNeedsANameAndAKey(t *testing.T) {
	t.Parallel()
	for _, o := range []resendmail.Options{{Name: "resend"}, {APIKey: "re_1"}} {
		if _, err := resendmail.New(o); fault.From(err).Code != "missing_setting" {
			t.Errorf("%+v: %v, want missing_setting", o, err)
		}
	}
}
