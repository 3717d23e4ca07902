package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everyMistake is a configuration with several mistakes in each type of provider, and what must be said of each line.
var everyMistake = []struct{ line, says string }{
	{"payments: {providers: [stripe, mock]}", ""},
	{"mail: {providers: [sendgrid, mailgun, resend, ses, smtp, catcher], from: nobody}", `mail.from: "nobody" is not an address`},
	{"storage: {provider: postgres, standby: local}", ""},
	{"providers:", ""},
	{"  stripe:", "providers.stripe.secret_key: is required"},
	{"    type: stripe", ""},
	{"    account: shop", "providers.stripe.account: must be the id of an account"},
	{"    publishable_key: pk_live_1", ""}, // which mode it must have is not known
	{"    base_url: api.stripe.com", "providers.stripe.base_url: must be an https URL"},
	{"  mock:", ""},
	{"    type: mock", ""},
	{"    fault: none", "providers.mock.fault: is not one of"},
	{"    webhook_secrets: [plain]", "providers.mock.webhook_secrets[0]: is a secret and must not be in the file"},
	{"  sendgrid:", "providers.sendgrid.api_key: is required"},
	{"    type: sendgrid", ""},
	{"    templates: {welcome: welcome}", "providers.sendgrid.templates.welcome: must be the id of a dynamic template"},
	{"    webhook_public_keys: [a]", "providers.sendgrid.webhook_public_keys[0]: must be the public key"},
	{"    base_url: http://sendgrid.example.com", "providers.sendgrid.base_url: must be an https URL"},
	{"  mailgun:", "providers.mailgun.api_key: is required"},
	{"    type: mailgun", ""},
	{"    domain: https://mg.example.com", "providers.mailgun.domain: must be a domain"},
	{"    templates: {welcome: a b}", "providers.mailgun.templates.welcome: must be the name of a template"},
	{"    timeout: 3s", "providers.mailgun.timeout: is not a setting"},
	{"  resend:", ""},
	{"    type: resend", ""},
	{"    api_key: re_1", "providers.resend.api_key: is a secret and must not be in the file"},
	{"    tracking: maybe", "providers.resend.tracking: must be on or off"},
	{"    base_url: ftp://resend.example.com", "providers.resend.base_url: must be an https URL"},
	{"  ses:", "providers.ses.access_key_id: is required"},
	{"    type: ses", ""},
	{"    region: Ireland", "providers.ses.region: must be a region"},
	{"    secret_access_key: ${NONE}", "providers.ses.secret_access_key: the environment has no NONE"},
	{"    webhook_topics: [events, 'arn:aws:sns:eu-west-1:123456789012:ses.fifo']", "providers.ses.webhook_topics[0]: must be the ARN|providers.ses.webhook_topics[1]: must be a standard topic"},
	{"  smtp:", "providers.smtp.host: is required"},
	{"    type: smtp", ""},
	{"    port: smtp", `providers.smtp.port: "smtp" is not a whole number`},
	{"    security: none", ""}, // it may be right for the host
	{"    password: plain", "providers.smtp.password: is a secret and must not be in the file"},
	{"    username: shop", ""}, // there may be a password
	{"    auth: kerberos", "providers.smtp.auth: must be auto"},
	{"  catcher:", ""},
	{"    type: catcher", ""},
	{"    path: ''", "providers.catcher.path: must name a directory"},
	{"    keep: 0", "providers.catcher.keep: must be at least 1"},
	{"  local: {type: sqlite, path: ':memory:', mode: wal}", "providers.local.mode: is not a setting|providers.local.path: must name a file"},
	{"  postgres:", ""},
	{"    type: postgres", ""},
	{"    port: 0", "providers.postgres.port: must be 1 to 65535"},
	{"    cert_file: a.pem", "providers.postgres.cert_file: and key_file belong together"},
	{"    pool: {min: -1, max: 1001}", "providers.postgres.pool.max: must be 2 to 1000"},
	{"policies:", ""},
	{"  mail:", ""},
	{"    attempts: 11", "policies.mail.attempts: must be 1 to 10"},
	{"    rate: {warm_up: {begins: soon, first_day: 50}}", `policies.mail.rate.warm_up.begins: "soon" is not a day`},
	{"  stripe: {timeout: 1h, bulkhead: 0}", "policies.stripe.bulkhead: must be 1 to 100000|policies.stripe.timeout: must be more than 0s"},
}

// TestCheckNamesEveryMistake wants all mistakes at once, in the order of the file, and nothing that only follows from
// them.
func TestCheckNamesEveryMistake(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	var want []string
	for n, one := range everyMistake {
		file.WriteString(one.line + "\n")
		for says := range strings.SplitSeq(one.says, "|") {
			if says != "" {
				want = append(want, fmt.Sprintf("wrong.yaml:%d: %s", n+1, says))
			}
		}
	}
	r := newRig(t)
	got := run(t, nil, "check", "--config", r.write(t, "wrong.yaml", file.String()))
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(got.stderr, "patchbay: the configuration has mistakes\n", "")), "\n")
	for i := range max(len(lines), len(want)) {
		switch {
		case i >= len(lines):
			t.Errorf("nothing says %q", want[i])
		case i >= len(want):
			t.Errorf("got %q too", lines[i])
		case !strings.Contains(lines[i], want[i]):
			t.Errorf("got %q, want %q", lines[i], want[i])
		}
	}
}

func TestCheckShowsWhatAnOperatorNeedsToSee(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	templates := t.TempDir()
	for _, name := range []string{"welcome.subject.hbs", "welcome.html.hbs"} {
		if err := os.WriteFile(filepath.Join(templates, name), []byte("Hello"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := r.write(t, "all.yaml", `
server: {address: "127.0.0.1:80", admin_address: "127.0.0.1:81"}
payments: {providers: [stripe, mock], allow_mixed: true}
mail:
  providers: [mailgun, sendgrid, relay]
  from: Shop <shop@example.com>
  smtp: {address: "127.0.0.1:2525"}
  templates: {directory: `+templates+`}
  redirect_to: staging@example.com
  allowed_recipients: ["*@example.com"]
  sandbox: true
storage: {provider: postgres, standby: local}
providers:
  stripe: {type: stripe, secret_key: "${STRIPE}", webhook_secrets: ["${SIGNED}"]}
  mailgun: {type: mailgun, domain: mg.example.com, api_key: "${MAILGUN}"}
  sendgrid: {type: sendgrid, api_key: "${SENDGRID}", base_url: "https://sendgrid.example.com/${TOKEN}"}
  relay: {type: smtp, host: smtp.example.com}
  local: {type: sqlite, path: /var/lib/patchbay.db}
  postgres: {type: postgres, host: db.example.com, database: shop}
policies:
  mail: {timeout: 5s}
  storage: {bulkhead: 10}
  mailgun: {attempts: 1, rate: {limit: 20000/d, then: wait, warm_up: {begins: 2026-12-01, first_day: 50}}}
`)
	got := run(t, []string{"STRIPE=sk_test_1", "SIGNED=whsec_1", "MAILGUN=key-hidden", "SENDGRID=SG.hidden", "TOKEN=hidden"}, "check", "--config", file)
	want := `the configuration is right
  API       127.0.0.1:80, keys not required
  console   127.0.0.1:81
  SMTP      127.0.0.1:2525, no TLS, keys not required
  payments  stripe (stripe, test), then mock (mock, simulated)
  mail      mailgun (mailgun, live) without webhooks, then sendgrid (sendgrid, live) without webhooks, then relay (smtp, live), from Shop <shop@example.com>
  staging   mail.sandbox: no provider is called
  staging   mail.redirect_to: all mail goes to staging@example.com
  templates ` + templates + `, 1 template
  policy    mailgun: timeout 5s, attempts 1, rate.limit 20000/d, rate.then wait, rate.warm_up.begins 2026-12-01, rate.warm_up.first_day 50
  policy    sendgrid: timeout 5s
  policy    relay: timeout 5s
  storage   postgres (postgres): postgres db.example.com:5432/shop
  policy    postgres: bulkhead 10
  standby   local (sqlite): sqlite /var/lib/patchbay.db
`
	if got.code != 0 || got.stdout != want || got.stderr != "" {
		t.Errorf("got %d, %q and\n%s\nwant 0, nothing and\n%s", got.code, got.stderr, got.stdout, want)
	}
}
