package stripepay_test

import (
	"strings"
	"testing"

	"patchbay/adapters/payments/stripepay"
	"patchbay/config/setting"
)

func TestWhatSettingsMustHave(t *testing.T) {
	t.Parallel()
	key := setting.NewSecret("sk_live_1")
	const api = "https://api.example.com"
	for name, c := range map[string]struct {
		settings   stripepay.Settings
		path, text string // nothing where it is right
	}{
		"a key":                                  {stripepay.Settings{SecretKey: key, BaseURL: api}, "", ""},
		"no key":                                 {stripepay.Settings{BaseURL: api}, "secret_key", "is required"},
		"an account":                             {stripepay.Settings{SecretKey: key, BaseURL: api, Account: "acct_1A"}, "", ""},
		"what is no account":                     {stripepay.Settings{SecretKey: key, BaseURL: api, Account: "pi_1"}, "account", "must be the id of an account, such as acct_1032D82eZvKYlo2C"},
		"a publishable key of the same mode":     {stripepay.Settings{SecretKey: key, BaseURL: api, PublishableKey: "pk_live_1"}, "", ""},
		"a publishable key of the other mode":    {stripepay.Settings{SecretKey: key, BaseURL: api, PublishableKey: "pk_test_1"}, "publishable_key", "must be one of the same mode as secret_key: pk_live_…"},
		"a secret key in place of a publishable": {stripepay.Settings{SecretKey: key, BaseURL: api, PublishableKey: "sk_live_1"}, "publishable_key", "must be one of the same mode as secret_key: pk_live_…"},
		"plain http to somewhere else":           {stripepay.Settings{SecretKey: key, BaseURL: "http://api.example.com"}, "base_url", "must be an https URL, such as https://api.example.com"},
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

func TestTheKeySaysTheModeOfTheAccount(t *testing.T) {
	t.Parallel()
	for key, mode := range map[string]string{
		"sk_test_1": "test", "rk_test_1": "test", "sk_live_1": "live", "rk_live_1": "live",
		"sk_live_test_1": "live", "sk_live_1_test_": "live", "rk_live_a_test_b": "live", "sk_test_live_1": "test",
		"SK_TEST_1": "", "sk_Test_1": "", " sk_test_1": "", "sk_test_1 ": "", "\nsk_test_1": "", "sk_test_1\n": "", "sk_test_a b": "",
		"sk_test_": "", "sk_test": "", "sk_test-1": "", "test_sk_1": "", "sk_org_test_1": "", "ssk_test_1": "", "pk_test_1": "", "whatever": "",
	} {
		for _, base := range []setting.BaseURL{stripepay.DefaultBaseURL, "http://127.0.0.1:12111"} {
			s := stripepay.Settings{SecretKey: setting.NewSecret(key), BaseURL: base}
			wrong := s.Check().String()
			if refused := wrong != ""; refused != (mode == "") || refused && !strings.HasPrefix(wrong, "secret_key: ") {
				t.Errorf("key %q: Check = %q, want a mistake of secret_key to be %t", key, wrong, mode == "")
			}
			if got := s.Test(); got != (mode == "test") {
				t.Errorf("key %q at %s: Test = %t, want %t", key, base, got, mode == "test")
			}
		}
	}
}
