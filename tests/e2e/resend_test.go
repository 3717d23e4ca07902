package e2e_test

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/resendsim"
	"patchbay/tests/gateway"
)

// resendGateway is a gateway with Resend and Mailgun.
type resendGateway struct {
	*mailGateway
	resend *resendsim.Sim
	secret string // of Resend's webhooks
}

// newResendGateway starts a gateway whose providers are tried in this order, with one attempt of at
// most ten seconds each.
func newResendGateway(t testing.TB, order string) *resendGateway {
	t.Helper()
	p := &resendGateway{
		mailGateway: &mailGateway{mailgun: mailgunsim.Start(t, mailgunsim.Options{})},
		resend:      resendsim.Start(t, resendsim.Options{}), secret: resendsim.NewSecret(),
	}
	p.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [%s], from: shop@example.com}
providers:
  resend: {type: resend, api_key: "${RESEND_KEY}", webhook_secrets: ["${RESEND_SECRET}"], base_url: %q}
  mailgun: {type: mailgun, domain: %s, api_key: "${MAILGUN_KEY}", base_url: %q}
policies:
  mail: {timeout: 10s, attempts: 1}
`, order, p.resend.URL(), p.mailgun.Domain(), p.mailgun.URL()),
		"RESEND_KEY="+p.resend.Key(), "RESEND_SECRET="+p.secret, "MAILGUN_KEY="+p.mailgun.Key())
	p.Restart(t)
	return p
}

// TestMailGoesIntoAndOutOfResend checks where mail goes if a provider has proved that it did not take it.
func TestMailGoesIntoAndOutOfResend(t *testing.T) {
	t.Parallel()
	inject := func(m faultserver.Mishap) func(*resendGateway) {
		return func(p *resendGateway) { p.resend.Inject(once(m)) }
	}
	for _, c := range []struct {
		name, order   string
		befalls       func(p *resendGateway)
		status, tries string
		resend        int // copies
	}{
		{"Resend takes the message", "resend, mailgun", func(*resendGateway) {}, "sent", "resend accepted", 1},
		{"Resend refuses connections", "resend, mailgun", func(p *resendGateway) { p.resend.Refuse() }, "sent", "resend not_accepted, mailgun accepted", 0},
		{"Resend refuses the key", "resend, mailgun", inject(resendsim.Unauthorized()), "sent", "resend provider_unusable, mailgun accepted", 0},
		{"Resend's quota is used up", "resend, mailgun", inject(resendsim.QuotaExceeded()), "sent", "resend provider_unusable, mailgun accepted", 0},
		{"Resend does not know the sender", "resend, mailgun", inject(resendsim.UnverifiedSender()), "sent", "resend refused_here, mailgun accepted", 0},
		{"Resend asks for fewer requests", "resend, mailgun", inject(resendsim.RateLimited(time.Minute)), "sent", "resend not_accepted, mailgun accepted", 0},
		{"Resend answers 503", "resend, mailgun", inject(resendsim.ServiceUnavailable()), "sent", "resend not_accepted, mailgun accepted", 0},
		{"Resend refuses the recipient", "resend, mailgun", inject(resendsim.BadRecipient()), "failed", "resend rejected_message", 0},
		{"Mailgun refuses connections", "mailgun, resend", func(p *resendGateway) { p.mailgun.Refuse() }, "sent", "mailgun not_accepted, resend accepted", 1},
		{"Mailgun refuses the key", "mailgun, resend", func(p *resendGateway) { p.mailgun.Inject(once(mailgunsim.Unauthorized())) }, "sent", "mailgun provider_unusable, resend accepted", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newResendGateway(t, c.order)
			c.befalls(p)
			p.becomes(t, p.send(t, "k", object{"delivery": "at_most_once"}), c.status, c.tries)
			wantCopies(t, "Resend", p.resend, c.resend)
			if n := len(p.mailgun.Delivered()); c.status == "sent" && n+c.resend != 1 {
				t.Errorf("got %d copies, want 1", n+c.resend)
			}
		})
	}
}

// TestAnUnknownOutcomeAtResendIsLearned checks mail to which Resend gives no answer that can be trusted:
// the same request is made again, so that there is one copy and no other provider is asked, under
// either promise.
func TestAnUnknownOutcomeAtResendIsLearned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault faultserver.Fault
	}{
		{"it took the message, then reset", after(faultserver.Reset())},
		{"it took the message, then hung", after(faultserver.Hang())},
		{"it took the message, and a proxy answered", after(faultserver.Page(502))},
		{"it took the message, and its answer was cut", after(faultserver.Truncate())},
		{"it did nothing, then reset", once(faultserver.Reset())},
		{"it did nothing, and answered 500", once(resendsim.ServerError())},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newResendGateway(t, "resend, mailgun")
			p.resend.Inject(c.fault, c.fault)
			var sent []gateway.Answer
			for _, delivery := range []string{"at_most_once", "at_least_once"} {
				sent = append(sent, p.send(t, delivery, object{
					"delivery": delivery, "metadata": object{"b": "1", "a": "2", "c": "3"}, "headers": object{"X-B": "1", "X-A": "2"},
				}))
			}
			for _, m := range sent {
				p.becomes(t, m, "sent", "resend accepted")
			}
			wantCopies(t, "Resend", p.resend, 2)
			wantCopies(t, "Mailgun", p.mailgun, 0)
			bodies := map[string][]string{} // by key
			for _, r := range p.resend.Requests() {
				key := r.Header.Get("Idempotency-Key")
				bodies[key] = append(bodies[key], string(r.Body))
			}
			for key, asked := range bodies {
				if len(asked) != 2 || asked[0] != asked[1] {
					t.Errorf("the key %s was used for %q, want the same request twice", key, asked)
				}
			}
			if len(bodies) != 2 || bodies[""] != nil {
				t.Errorf("got %d keys, want one for each message", len(bodies))
			}
		})
	}
}

// TestAKilledGatewayRepeatsItsAttemptAtResend kills a gateway while Resend, which has taken the message,
// has not answered. The next one repeats the attempt.
func TestAKilledGatewayRepeatsItsAttemptAtResend(t *testing.T) {
	t.Parallel()
	p := newResendGateway(t, "resend, mailgun")
	p.resend.Inject(after(faultserver.Hang()))
	m := p.send(t, "k", object{"delivery": "at_most_once"})
	gateway.Eventually(t, 30*time.Second, "Resend has taken the message", func() bool { return len(p.resend.Delivered()) == 1 })
	p.Kill()
	p.resend.Heal()
	p.Restart(t)
	p.becomes(t, m, "sent", "resend accepted")
	wantCopies(t, "Resend", p.resend, 1)
	wantCopies(t, "Mailgun", p.mailgun, 0)
}

// sendEvent makes Resend send an event about the last message that it accepted.
func (p *resendGateway) sendEvent(t testing.TB, id, name string, recipients []string, more ...resendsim.Event) {
	t.Helper()
	body := resendsim.Body(resendsim.EventOf(lastOf(t, p.resend.Messages()), name, recipients, time.Now(), more...))
	p.wantAccepted(t, "/api/webhooks/resend", body, resendsim.Sign(id, body, time.Now(), p.secret))
}

func TestTheFateOfAnEmailByResendIsShown(t *testing.T) {
	t.Parallel()
	p := newResendGateway(t, "resend")
	m := p.send(t, "k", object{"cc": []string{"eve@bücher.example"}})
	p.becomes(t, m, "sent", "resend accepted")
	p.sendEvent(t, "msg_1", "email.bounced", []string{"ada@example.com"}, resendsim.Event{
		"bounce": object{"type": "Permanent", "subType": "General", "message": "550 5.1.1 <ada@example.com> no such user"},
	})
	p.sendEvent(t, "msg_2", "email.teleported", []string{"ada@example.com"})
	for range 2 { // it was sent again
		p.sendEvent(t, "msg_3", "email.delivered", []string{"eve@xn--bcher-kva.example"})
		p.sendEvent(t, "msg_4", "email.opened", []string{"eve@xn--bcher-kva.example"})
	}
	shown := p.recipient(t, m, 0, "bounced")
	if shown["reason"] != "Permanent General 550 5.1.1 <[…]> no such user" || shown["code"] != "5.1.1" || shown["provider"] != "resend" {
		t.Errorf("got %v, want the reason with the address blanked, the code 5.1.1 and the provider resend", shown)
	}
	p.recipient(t, m, 1, "delivered")
	p.waitForEvents(t, m, "opened", 1)
	p.sendEvent(t, "msg_5", "email.clicked", []string{"eve@xn--bcher-kva.example"}) // it is very likely applied after the others
	p.waitForEvents(t, m, "clicked", 1)
	p.waitForEvents(t, m, "opened", 1)
	p.waitForEvents(t, m, "delivered", 1)
}

func TestAWebhookOfResendThatIsNotRight(t *testing.T) {
	t.Parallel()
	p := newResendGateway(t, "resend")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "resend accepted")
	now := time.Now()
	body := resendsim.Body(resendsim.EventOf(lastOf(t, p.resend.Messages()), "email.bounced", []string{"ada@example.com"}, now))
	for name, c := range map[string]struct {
		body    []byte
		headers gateway.Header
	}{
		"unsigned":                {body, nil},
		"changed":                 {append(body, ' '), resendsim.Sign("msg_1", body, now, p.secret)},
		"6 minutes old":           {body, resendsim.Sign("msg_1", body, now.Add(-6*time.Minute), p.secret)},
		"with another secret":     {body, resendsim.Sign("msg_1", body, now, resendsim.NewSecret())},
		"under the id of another": {body, withID(resendsim.Sign("msg_1", body, now, p.secret), rand.Text())},
	} {
		if a := p.webhook(t, "/api/webhooks/resend", c.body, c.headers); a.Status != 400 || a.Code() != "invalid_signature" {
			t.Errorf("%s: got %d %s, want 400, code invalid_signature", name, a.Status, a.Body)
		}
	}
	p.recipient(t, m, 0, "sent")
}

func withID(header gateway.Header, id string) gateway.Header {
	header["Svix-Id"] = id
	return header
}

// TestAnEventOfResendEndsADoubt checks a message that Resend has taken and never answered for. Its event
// shows that, before the call is repeated.
func TestAnEventOfResendEndsADoubt(t *testing.T) {
	t.Parallel()
	p := newResendGateway(t, "resend")
	p.resend.Inject(after(faultserver.Reset()), faultserver.Fault{Standing: true, Mishap: resendsim.InProgress()})
	m := p.send(t, "k", object{"delivery": "at_most_once"})
	var shown object
	gateway.Eventually(t, 20*time.Second, "the call is repeated", func() bool {
		list, _ := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["attempts"].([]any)
		if len(list) == 1 {
			shown, _ = list[0].(object)
		}
		return shown["tries"] == 2.0
	})
	if shown["outcome"] != "attempting" || shown["code"] != "in_progress" {
		t.Errorf("got %v, want the outcome attempting and the code in_progress", shown)
	}
	p.sendEvent(t, "msg_1", "email.delivered", []string{"ada@example.com"})
	p.becomes(t, m, "delivered", "resend accepted")
	wantCopies(t, "Resend", p.resend, 1)
}
