package app

import (
	"strings"
	"testing"

	"patchbay/adapters/mail/resendmail"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
)

// A mail provider that remembers attempts tells its account by a digest, which is stored with them.
func TestAnAccountIsToldByADigest(t *testing.T) {
	t.Parallel()
	const key = "re_canary_0123456789"
	account := func(pepper, key string, base setting.BaseURL) string {
		t.Helper()
		s := environment{secrets: secrets.Secrets{Pepper: []byte(pepper)}}
		p := config.Provider{
			Name: "resend", Type: resendmail.Provider.Type, From: resendmail.Provider,
			Settings: &resendmail.Settings{APIKey: setting.NewSecret(key), BaseURL: base},
		}
		mailer, err := resendmail.Provider.New(s.environmentFor(p))
		if err != nil {
			t.Fatal(err)
		}
		return mailer.Features().Account
	}
	one := account("one", key, resendmail.DefaultBaseURL)
	if one == "" || strings.Contains(one, key) {
		t.Errorf("the account is %q, want a digest", one)
	}
	for name, tt := range map[string]struct {
		account string
		same    bool
	}{
		"the same settings":    {account("one", key, resendmail.DefaultBaseURL), true},
		"a slash at the end":   {account("one", key, resendmail.DefaultBaseURL+"/"), true},
		"another key":          {account("one", "re_other", resendmail.DefaultBaseURL), false},
		"another server":       {account("one", key, "https://api.example.com"), false},
		"another installation": {account("two", key, resendmail.DefaultBaseURL), false},
	} {
		if same := tt.account == one; same != tt.same {
			t.Errorf("%s: the same account is %t, want %t", name, same, tt.same)
		}
	}
}
