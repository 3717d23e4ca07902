package stripepay_test

import (
	"testing"

	"patchbay/adapters/payments/stripepay"
	"patchbay/config/setting"
)

func TestWhatSettingsMustHave(t *testing.T) {
	t.Parallel()
	key := setting.NewSecret("key")
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   stripepay.Settings
		path, text string // nothing where it is right
	}{
		"a key":                        {stripepay.Settings{SecretKey: key, BaseURL: api}, "", ""},
		"no key":                       {stripepay.Settings{BaseURL: api}, "secret_key", "must be written"},
		"an account":                   {stripepay.Settings{SecretKey: key, BaseURL: api, Account: "acct_1A"}, "", ""},
		"what is no account":           {stripepay.Settings{SecretKey: key, BaseURL: api, Account: "pi_1"}, "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"},
		"plain http to somewhere else": {stripepay.Settings{SecretKey: key, BaseURL: "http://api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
	} {
		path, text := c.settings.Check()
		if text != c.text || text != "" && path != c.path {
			t.Errorf("%s: %s %s, want %s %s", name, path, text, c.path, c.text)
		}
	}
}

// Whatever else is written, the same credential means the same account.
func TestCredentialDiffersByAccount(t *testing.T) {
	t.Parallel()
	first := stripepay.Settings{SecretKey: setting.NewSecret("sk_1"), BaseURL: "https://a.example.com"}
	same := first
	same.PublishableKey, same.WebhookSecrets = "pk_1", []setting.Secret{setting.NewSecret("whsec_1")}
	if first.Credential() != same.Credential() {
		t.Errorf("%q, then %q", first.Credential(), same.Credential())
	}
	for name, change := range map[string]func(*stripepay.Settings){
		"another key":     func(s *stripepay.Settings) { s.SecretKey = setting.NewSecret("sk_2") },
		"another address": func(s *stripepay.Settings) { s.BaseURL = "https://b.example.com" },
		"another account": func(s *stripepay.Settings) { s.Account = "acct_2" },
	} {
		other := first
		if change(&other); other.Credential() == first.Credential() {
			t.Errorf("%s is the same credential", name)
		}
	}
}
