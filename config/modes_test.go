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
  restricted-local: {type: stripe, secret_key: "${RESTRICTED}", base_url: "http://localhost"}
  mailgun-sandbox: {type: mailgun, domain: sandbox0123abc.mailgun.org, api_key: "${KEY}"}
  sendgrid-numeric: {type: sendgrid, api_key: "${KEY}", base_url: "https://127.1:3000"}
  mailgun: {type: mailgun, domain: mg.example.com, api_key: "${KEY}"}
  mailgun-local: {type: mailgun, domain: mg.example.com, api_key: "${KEY}", base_url: "http://[::1]:3001"}
`

func TestProvidersOfOneListAreAllLiveOrNone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		lists string
		mixed string // a part of the mistake, empty for none
	}{
		"live ones":               {"payments: {providers: [live, restricted]}", ""},
		"a test key and the mock": {"payments: {providers: [test, mock]}", ""},
		"a live key that is sent to this machine, and the mock": {"payments: {providers: [loopback, mock]}", `payments.providers: "loopback" is live and "mock" is not (simulated)`},
		"live keys that are sent to this machine":               {"payments: {providers: [loopback, restricted-local]}", ""},
		"live mail and a sandbox domain":                        {"mail: {providers: [sendgrid, mailgun-sandbox]}", `mail.providers: "sendgrid" is live and "mailgun-sandbox" is not (test)`},
		"a sandbox domain and the catcher":                      {"mail: {providers: [mailgun-sandbox, catcher]}", ""},
		"live mail and a simulator whose address is a number":   {"mail: {providers: [sendgrid, sendgrid-numeric]}", `mail.providers: "sendgrid" is live and "sendgrid-numeric" is not (test)`},
		"a live key and the mock":                               {"payments: {providers: [live, mock]}", `payments.providers: "live" is live and "mock" is not (simulated)`},
		"a live key and a test key":                             {"payments: {providers: [test, live]}", `payments.providers: "live" is live and "test" is not (test)`},
		"live keys, one of which is sent to this machine":       {"payments: {providers: [live, loopback]}", `payments.providers: "live" and "loopback" are live, but the address of "loopback" is of this machine`},
		"a mixture of live keys that is permitted":              {"payments: {providers: [live, loopback], allow_mixed: true}", ""},
		"a restricted key and the mock":                         {"payments: {providers: [mock, restricted]}", `payments.providers: "restricted" is live`},
		"a mixture that is permitted":                           {"payments: {providers: [live, mock], allow_mixed: true}", ""},
		"live mail":                                             {"mail: {providers: [sendgrid, mailgun]}", ""},
		"simulated mail":                                        {"mail: {providers: [sendgrid-local, mailgun-local, catcher]}", ""},
		"live mail and the catcher":                             {"mail: {providers: [sendgrid, catcher]}", `mail.providers: "sendgrid" is live and "catcher" is not (simulated)`},
		"live mail and a simulator":                             {"mail: {providers: [mailgun, sendgrid-local]}", `mail.providers: "mailgun" is live and "sendgrid-local" is not (test)`},
		"mixed mail that is permitted":                          {"mail: {providers: [mailgun, catcher], allow_mixed: true}", ""},
		"live payments, simulated mail":                         {"payments: {providers: [live]}\nmail: {providers: [catcher]}", ""},
		"permitted for mail alone":                              {"payments: {providers: [live, mock]}\nmail: {allow_mixed: true}", `payments.providers: "live" is live`},
		"the key of one cannot be read":                         {"payments: {providers: [broken, mock]}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := row.lists + allProviders
			if strings.Contains(name, "cannot be read") {
				text += "  broken: {type: stripe, secret_key: \"${MISSING}\"}\n"
			}
			_, err := loadWith(t, text, providers(), "LIVE=sk_live_1", "RESTRICTED=rk_live_1", "TEST=rk_test_1", "KEY=k")
			got := fmt.Sprint(err)
			if row.mixed == "" && (strings.Contains(got, "is live") || strings.Contains(got, "are live")) || !strings.Contains(got, row.mixed) {
				t.Errorf("got %s, want %q", got, row.mixed)
			}
		})
	}
}
