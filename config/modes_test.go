package config_test

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/adapters/payments/stripepay"
	"patchbay/config/setting"
)

// providers are types with settings that tell whether they are of an account for tests.
func providers() []setting.Described {
	return append(types(), stripepay.Provider, sendgridmail.Provider, mailgunmail.Provider)
}

const allProviders = `
providers:
  live: {type: stripe, secret_key: "${LIVE}"}
  restricted: {type: stripe, secret_key: "${RESTRICTED}"}
  test: {type: stripe, secret_key: "${TEST}"}
  loopback: {type: stripe, secret_key: "${LIVE}", base_url: "http://127.0.0.1:12111"}
  sendgrid: {type: sendgrid, api_key: "${KEY}"}
  sendgrid-local: {type: sendgrid, api_key: "${KEY}", base_url: "http://localhost:3000"}
  mailgun: {type: mailgun, domain: mg.example.com, api_key: "${KEY}"}
  mailgun-local: {type: mailgun, domain: mg.example.com, api_key: "${KEY}", base_url: "http://[::1]:3001"}
`

func TestProvidersOfOneListAreAllLiveOrNone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		lists string
		mixed string // a part of the mistake, empty for none
	}{
		"live ones":                     {"payments: {providers: [live, restricted]}", ""},
		"a test key and the mock":       {"payments: {providers: [test, mock]}", ""},
		"a simulator and the mock":      {"payments: {providers: [loopback, mock]}", ""},
		"a live key and the mock":       {"payments: {providers: [live, mock]}", `payments.providers: "live" is live and "mock" is not (simulated)`},
		"a live key and a test key":     {"payments: {providers: [test, live]}", `payments.providers: "live" is live and "test" is not (test)`},
		"a live key and a simulator":    {"payments: {providers: [live, loopback]}", `payments.providers: "live" is live and "loopback" is not (test)`},
		"a restricted key and the mock": {"payments: {providers: [mock, restricted]}", `payments.providers: "restricted" is live`},
		"a mixture that is permitted":   {"payments: {providers: [live, mock], allow_mixed: true}", ""},
		"live mail":                     {"mail: {providers: [sendgrid, mailgun]}", ""},
		"simulated mail":                {"mail: {providers: [sendgrid-local, mailgun-local, catcher]}", ""},
		"live mail and the catcher":     {"mail: {providers: [sendgrid, catcher]}", `mail.providers: "sendgrid" is live and "catcher" is not (simulated)`},
		"live mail and a simulator":     {"mail: {providers: [mailgun, sendgrid-local]}", `mail.providers: "mailgun" is live and "sendgrid-local" is not (test)`},
		"mixed mail that is permitted":  {"mail: {providers: [mailgun, catcher], allow_mixed: true}", ""},
		"live payments, simulated mail": {"payments: {providers: [live]}\nmail: {providers: [catcher]}", ""},
		"permitted for mail alone":      {"payments: {providers: [live, mock]}\nmail: {allow_mixed: true}", `payments.providers: "live" is live`},
		"the key of one cannot be read": {"payments: {providers: [broken, mock]}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := row.lists + allProviders
			if strings.Contains(name, "cannot be read") {
				text += "  broken: {type: stripe, secret_key: \"${MISSING}\"}\n"
			}
			_, err := loadWith(t, text, providers(), "LIVE=sk_live_1", "RESTRICTED=rk_live_1", "TEST=rk_test_1", "KEY=k")
			got := fmt.Sprint(err)
			if row.mixed == "" && strings.Contains(got, "is live") || !strings.Contains(got, row.mixed) {
				t.Errorf("got %s, want %q", got, row.mixed)
			}
		})
	}
}
