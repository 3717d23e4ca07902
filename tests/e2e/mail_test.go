package e2e_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
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

// newMailGateway starts a gateway whose providers are tried in this order, with one attempt of at most a
// second each.
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
		policies = []string{"mail: {timeout: 1s, attempts: 1}"}
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

func TestMailGoesToTheNextProviderWhereTheFirstDidNotTakeIt(t *testing.T) {
	t.Parallel()
	type row struct {
		name, order, tries string
		inject             func(p *mailGateway)
	}
	both := func(name, outcome string, sendgrid, mailgun func(provider)) []row {
		return []row{
			{"SendGrid " + name, "sendgrid, mailgun", "sendgrid " + outcome + ", mailgun accepted", func(p *mailGateway) { sendgrid(p.sendgrid) }},
			{"Mailgun " + name, "mailgun, sendgrid", "mailgun " + outcome + ", sendgrid accepted", func(p *mailGateway) { mailgun(p.mailgun) }},
		}
	}
	refuse := func(p provider) { p.Refuse() }
	answers := func(m faultserver.Mishap) func(provider) { return func(p provider) { p.Inject(standing(m)) } }
	var rows []row
	rows = append(rows, both("refuses connections", "not_accepted", refuse, refuse)...)
	rows = append(rows, both("answers 401", "provider_unusable", answers(sendgridsim.Unauthorized()), answers(mailgunsim.Unauthorized()))...)
	rows = append(rows, both("has no credits left", "provider_unusable", answers(sendgridsim.CreditsExceeded()), answers(mailgunsim.PaymentRequired()))...)
	rows = append(rows, both("answers 503", "not_accepted", answers(sendgridsim.ServiceUnavailable()), answers(mailgunsim.ServiceUnavailable()))...)
	rows = append(rows, both("answers 429", "not_accepted", answers(sendgridsim.RateLimited(time.Minute)), answers(mailgunsim.RateLimited(time.Minute)))...)
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, c.order)
			c.inject(p)
			p.becomes(t, p.send(t, "k"), "sent", c.tries)
			if n := len(p.sendgrid.Delivered()) + len(p.mailgun.Delivered()); n != 1 {
				t.Errorf("got %d copies, want 1", n)
			}
		})
	}
}

// TestAProxysPageIsNoRefusalOfMail checks mail whose provider has accepted it before a proxy
// answers with its own page: with at_most_once, one copy is sent, whatever the status and however
// many attempts are allowed.
func TestAProxysPageIsNoRefusalOfMail(t *testing.T) {
	t.Parallel()
	for order, first := range map[string]string{"sendgrid, mailgun": "sendgrid", "mailgun, sendgrid": "mailgun"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, order, "mail: {attempts: 3, backoff: {initial: 1ms, max: 2ms}, breaker: {minimum_calls: 1000}}")
			for n, status := range []int{400, 401, 402, 403, 404, 405, 413, 429, 503} {
				for _, of := range []provider{p.sendgrid, p.mailgun} {
					of.Heal()
					of.Inject(faultserver.Fault{After: true, Standing: true, Mishap: faultserver.Page(status)})
				}
				m := p.send(t, fmt.Sprint("k", status), object{"delivery": "at_most_once"})
				p.becomes(t, m, "unknown", first+" ambiguous")
				if copies := len(p.sendgrid.Delivered()) + len(p.mailgun.Delivered()); copies != n+1 {
					t.Fatalf("status %d: got %d copies, want %d", status, copies, n+1)
				}
			}
		})
	}
}

// TestABadRecipientConcernsItsMessageAlone checks that an error about one message has no effect on
// its provider.
func TestABadRecipientConcernsItsMessageAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first  string
		order  string
		mishap faultserver.Mishap
		of     func(p *mailGateway) (first, second provider)
	}{
		{"sendgrid", "sendgrid, mailgun", sendgridsim.BadRecipient(), func(p *mailGateway) (provider, provider) { return p.sendgrid, p.mailgun }},
		{"mailgun", "mailgun, sendgrid", mailgunsim.BadRecipient(), func(p *mailGateway) (provider, provider) { return p.mailgun, p.sendgrid }},
	} {
		t.Run(c.first, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, c.order, "mail: {attempts: 1, breaker: {minimum_calls: 1, failure_rate: 1}}")
			first, second := c.of(p)
			first.Inject(once(c.mishap))
			p.becomes(t, p.send(t, "bad"), "failed", c.first+" rejected_message")
			p.becomes(t, p.send(t, "good"), "sent", c.first+" accepted")
			wantCopies(t, "the first", first, 1)
			if n := len(second.Requests()); n != 0 {
				t.Errorf("%d requests went to the second, want 0", n)
			}
		})
	}
}

func TestMailSkipsAnOpenBreakerAndReturns(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid, mailgun", "mail: {attempts: 1, breaker: {minimum_calls: 2, open: 1s}}")
	p.sendgrid.Refuse()
	for n := range 2 {
		p.becomes(t, p.send(t, fmt.Sprint("down", n)), "sent", "sendgrid not_accepted, mailgun accepted")
	}
	p.sendgrid.Resume()
	p.becomes(t, p.send(t, "skipped"), "sent", "mailgun accepted")
	if n := len(p.sendgrid.Requests()); n != 0 {
		t.Errorf("%d requests reached SendGrid, want 0", n)
	}
	n := 0
	gateway.Eventually(t, 10*time.Second, "mail goes through SendGrid again", func() bool {
		n++
		m := p.send(t, fmt.Sprint("again", n))
		sent(t, p.Gateway, m.Text("id"))
		return len(p.sendgrid.Delivered()) > 0
	})
}

func TestMailWithAnUnknownOutcomeFollowsItsDeliveryMode(t *testing.T) {
	t.Parallel()
	type ending struct{ name, delivery, status, tries string }
	for _, c := range []struct {
		name          string
		order         string
		first, second string
		inject        func(first provider)
	}{
		{"SendGrid took it, then reset", "sendgrid, mailgun", "sendgrid", "mailgun", func(f provider) { f.Inject(after(faultserver.Reset())) }},
		{"SendGrid took it, then hung", "sendgrid, mailgun", "sendgrid", "mailgun", func(f provider) { f.Inject(after(faultserver.Hang())) }},
		{"Mailgun took it, then reset", "mailgun, sendgrid", "mailgun", "sendgrid", func(f provider) { f.Inject(after(faultserver.Reset())) }},
		{"Mailgun took it, then hung", "mailgun, sendgrid", "mailgun", "sendgrid", func(f provider) { f.Inject(after(faultserver.Hang())) }},
	} {
		for _, e := range []ending{
			{"at most once", "at_most_once", "unknown", c.first + " ambiguous"},
			{"at least once", "at_least_once", "sent", c.first + " ambiguous, " + c.second + " accepted"},
		} {
			t.Run(c.name+", "+e.name, func(t *testing.T) {
				t.Parallel()
				p := newMailGateway(t, c.order)
				first, second := provider(p.sendgrid), provider(p.mailgun)
				if c.first == "mailgun" {
					first, second = second, first
				}
				c.inject(first)
				p.becomes(t, p.send(t, "k", object{"delivery": e.delivery}), e.status, e.tries)
				wantCopies(t, "the first", first, 1)
				wantCopies(t, "the second", second, strings.Count(e.tries, "accepted"))
			})
		}
	}
}

// TestASuccessOutsideOfMailgunsAPIIsNotAccepted checks that a 200 for a path outside Mailgun's API, which
// Mailgun sends for any such path, does not count as accepted.
func TestASuccessOutsideOfMailgunsAPIIsNotAccepted(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "mailgun, sendgrid")
	p.mailgun.Inject(standing(mailgunsim.Magnificent()))
	m := p.send(t, "k")
	sent(t, p.Gateway, m.Text("id"))
	last := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
	if tries := attempts(last); !strings.HasSuffix(tries, ", sendgrid accepted") || strings.Contains(tries, "mailgun accepted") {
		t.Errorf("attempts %q, want tries ending in \", sendgrid accepted\", no \"mailgun accepted\" in it", tries)
	}
	wantCopies(t, "SendGrid", p.sendgrid, 1)
}

func TestWithEveryMailProviderDownMailWaits(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid, mailgun")
	p.sendgrid.Refuse()
	p.mailgun.Refuse()
	m := p.send(t, "k")
	gateway.Eventually(t, 10*time.Second, "both were asked", func() bool {
		a := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
		return a.Text("status") == "queued" && attempts(a) == "sendgrid not_accepted, mailgun not_accepted"
	})
	p.mailgun.Resume()
	p.becomes(t, m, "sent", "sendgrid not_accepted, mailgun not_accepted, sendgrid not_accepted, mailgun accepted")
	wantCopies(t, "Mailgun", p.mailgun, 1)
}

func TestTwentyAtOnceUnderOneKeyAreOneCopy(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid, mailgun")
	p.sendgrid.Inject(once(sendgridsim.ServiceUnavailable()))
	ids := make([]string, 20)
	var all sync.WaitGroup
	for n := range ids {
		all.Go(func() { ids[n] = p.send(t, "k").Text("id") })
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("ids %v, want the same for each", ids)
		}
	}
	sent(t, p.Gateway, ids[0])
	if n := len(p.sendgrid.Delivered()) + len(p.mailgun.Delivered()); n != 1 {
		t.Errorf("got %d copies, want 1", n)
	}
}

// TestEachProviderCarriesTheSameMessage checks that a message is the same with each provider.
func TestEachProviderCarriesTheSameMessage(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"sendgrid, mailgun", "mailgun, sendgrid"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, order)
			m := p.send(t, "k", object{"headers": object{"X-Campaign": "7"}, "replyTo": []string{"help@example.com"}})
			sent(t, p.Gateway, m.Text("id"))
			delivered := append(p.sendgrid.Delivered(), p.mailgun.Delivered()...)
			if len(delivered) != 1 {
				t.Fatalf("got %d copies, want 1 delivered", len(delivered))
			}
			for _, want := range []string{"Thank you.", "X-Campaign: 7", "help@example.com", "shop@example.com", "Your order"} {
				if !strings.Contains(string(delivered[0]), want) {
					t.Errorf("there is no %q in it:\n%s", want, delivered[0])
				}
			}
		})
	}
}
