package e2e_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

// mailGateway is a gateway with SendGrid and Mailgun.
type mailGateway struct {
	*gateway.Gateway
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
	signer   *sendgridsim.Signer // of SendGrid's webhooks
	signing  string              // the key of Mailgun's
}

// provider is what the tests need of a simulated provider.
type provider interface {
	Refuse()
	Resume()
	Heal()
	Inject(faults ...faultserver.Fault)
	Requests() []faultserver.Request
	Delivered() [][]byte
}

// newMailGateway starts a gateway whose providers are tried in this order, with one attempt of at most ten
// seconds each.
func newMailGateway(t testing.TB, order string, policies ...string) *mailGateway {
	t.Helper()
	return newMailGatewayOf(t, sendgridsim.Options{}, mailgunsim.Options{}, order, policies...)
}

// newMailGatewayOf starts a gateway with these accounts.
func newMailGatewayOf(t testing.TB, sendgrid sendgridsim.Options, mailgun mailgunsim.Options, order string, policies ...string) *mailGateway {
	t.Helper()
	p := mailGatewayWith(t, sendgrid, mailgun, order, "", policies...)
	p.Restart(t)
	return p
}

// mailGatewayWith prepares a gateway with these accounts, and with more of the configuration.
func mailGatewayWith(t testing.TB, sendgrid sendgridsim.Options, mailgun mailgunsim.Options, order, more string, policies ...string) *mailGateway {
	t.Helper()
	sendgrid.Check = sendgridapi.Check(t)
	p := &mailGateway{
		sendgrid: sendgridsim.Start(t, sendgrid), mailgun: mailgunsim.Start(t, mailgun), signer: sendgridsim.NewSigner(), signing: rand.Text(),
	}
	if len(policies) == 0 {
		policies = []string{"mail: {timeout: 10s, attempts: 1}"}
	}
	p.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [%s], from: shop@example.com}
providers:
  sendgrid: {type: sendgrid, api_key: "${SENDGRID_KEY}", webhook_public_keys: [%q], base_url: %q}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", webhook_signing_keys: ["${MAILGUN_SIGNING_KEY}"], base_url: %q}
policies:
  %s
%s`, order, p.signer.PublicKey(), p.sendgrid.URL(), p.mailgun.Domain(), p.mailgun.URL(), strings.Join(policies, "\n  "), more),
		"SENDGRID_KEY="+p.sendgrid.Key(), "MAILGUN_KEY="+p.mailgun.Key(), "MAILGUN_SIGNING_KEY="+p.signing)
	return p
}

func (p *mailGateway) send(t testing.TB, key string, more ...object) gateway.Answer {
	t.Helper()
	body := object{"to": []string{"Ada <ada@example.com>"}, "subject": "Your order", "html": "<p>Thank you.</p>"}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	m := p.Do(t, "POST", "/api/emails", body, gateway.Key(key))
	if m.Status != 202 {
		t.Fatalf("got %d %s, want 202", m.Status, m.Body)
	}
	return m
}

// becomes waits until the message has this status, and checks its attempts.
func (p *mailGateway) becomes(t testing.TB, m gateway.Answer, status, tries string) {
	t.Helper()
	var last gateway.Answer
	gateway.Eventually(t, 20*time.Second, "the message is "+status, func() bool {
		last = p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
		return last.Text("status") == status
	})
	if got := attempts(last); got != tries {
		t.Errorf("attempts %q, want %q", got, tries)
	}
}

func wantCopies(t testing.TB, name string, of provider, want int) {
	t.Helper()
	if n := len(of.Delivered()); n != want {
		t.Errorf("%s has delivered %d, want %d", name, n, want)
	}
}

func after(m faultserver.Mishap) faultserver.Fault { return faultserver.Fault{After: true, Mishap: m} }

func once(m faultserver.Mishap) faultserver.Fault { return faultserver.Fault{Mishap: m} }
