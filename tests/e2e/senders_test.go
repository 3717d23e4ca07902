package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/gateway"
)

// verified is the sender that the providers know.
const verified = "shop@example.com"

func knownSender() (sendgridsim.Options, mailgunsim.Options) {
	return sendgridsim.Options{Senders: []string{verified}}, mailgunsim.Options{Senders: []string{verified}}
}

// answer returns the provider's answer in the last attempt.
func answer(m gateway.Answer) map[string]any {
	list, _ := m.JSON["attempts"].([]any)
	if len(list) == 0 {
		return nil
	}
	last, _ := list[len(list)-1].(map[string]any)
	a, _ := last["answer"].(map[string]any)
	return a
}

// TestARefusedSenderDoesNotDelayOthers sends 200 messages from an unverified sender. They fail at once, and
// meanwhile the messages of others are sent by the same provider.
func TestARefusedSenderDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"sendgrid", "mailgun"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			sendgrid, mailgun := knownSender()
			p := newMailGatewayOf(t, sendgrid, mailgun, order, "mail: {attempts: 1, breaker: {minimum_calls: 1, failure_rate: 1}}")
			const bad, good = 200, 20
			var refused, fine []gateway.Answer
			for n := range bad {
				refused = append(refused, p.send(t, fmt.Sprint("bad", n), object{"from": "Eve <eve@elsewhere.example>"}))
				if n%(bad/good) == 0 {
					fine = append(fine, p.send(t, fmt.Sprint("good", n)))
				}
			}
			for _, m := range fine {
				p.becomes(t, m, "sent", order+" accepted")
			}
			for _, m := range refused {
				p.becomes(t, m, "failed", order+" refused_here")
			}
			if n := len(p.sendgrid.Requests()) + len(p.mailgun.Requests()); n != bad+good {
				t.Errorf("got %d requests, want %d, one for each mail", n, bad+good)
			}
			log := p.Log()
			if n := strings.Count(log, `msg="email failed"`); n != bad {
				t.Errorf("got %d lines in the log, want %d, one for each refused mail", n, bad)
			}
			if strings.Contains(log, "elsewhere.example") {
				t.Error("got the recipient's address in the log, want no address")
			}
		})
	}
}

// TestASenderIsTriedAtTheNextProvider checks that a sender that one provider does not know is tried
// with the next.
func TestASenderIsTriedAtTheNextProvider(t *testing.T) {
	t.Parallel()
	for order, tries := range map[string]string{
		"sendgrid, mailgun": "sendgrid refused_here, mailgun accepted",
		"mailgun, sendgrid": "mailgun refused_here, sendgrid accepted",
	} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			sendgrid, mailgun := knownSender()
			if strings.HasPrefix(order, "sendgrid") {
				mailgun.Senders = nil
			} else {
				sendgrid.Senders = nil
			}
			p := newMailGatewayOf(t, sendgrid, mailgun, order, "mail: {attempts: 1}")
			p.becomes(t, p.send(t, "k", object{"from": "eve@elsewhere.example", "delivery": "at_most_once"}), "sent", tries)
		})
	}
}

// TestAProvidersWordsReachTheCaller checks that a provider's error reaches the caller and the log,
// with its status, its field and its message.
func TestAProvidersWordsReachTheCaller(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, order, status, code string
		befalls                   func(p *mailGateway)
		answer                    string
	}{
		{
			"SendGrid, of a sender", "sendgrid", "failed", "sender_not_verified",
			func(p *mailGateway) { p.sendgrid.Inject(once(sendgridsim.UnverifiedSender())) },
			"map[field:from status:403 words:The from address does not match a verified Sender Identity.",
		},
		{
			"SendGrid, of a recipient", "sendgrid", "failed", "recipient_rejected",
			func(p *mailGateway) { p.sendgrid.Inject(once(sendgridsim.BadRecipient())) },
			"map[status:400 words:Does not contain a valid address: […]]",
		},
		{
			"SendGrid, of the account", "sendgrid", "queued", "account_suspended",
			func(p *mailGateway) { p.sendgrid.Inject(standing(sendgridsim.Suspended())) },
			"map[status:403 words:Your account has been suspended.",
		},
		{
			"Mailgun, of a sender", "mailgun", "failed", "sender_rejected",
			func(p *mailGateway) { p.mailgun.Inject(once(mailgunsim.BadSender())) },
			"map[status:400 words:'from' parameter is not a valid address.",
		},
		{
			"Mailgun, of a recipient", "mailgun", "failed", "recipient_rejected",
			func(p *mailGateway) { p.mailgun.Inject(once(mailgunsim.BadRecipient())) },
			"map[status:400 words:'to' parameter is not a valid address: […]]",
		},
		{
			"Mailgun, of its sandbox", "mailgun", "failed", "recipient_not_authorized",
			func(p *mailGateway) { p.mailgun.Inject(once(mailgunsim.Sandboxed())) },
			"map[status:403 words:Domain mg.example.com is not allowed to send: Sandbox subdomains",
		},
		{
			"Mailgun, of its domain", "mailgun", "queued", "account_suspended",
			func(p *mailGateway) { p.mailgun.Inject(standing(mailgunsim.Unverified())) },
			"map[status:403 words:The domain mg.example.com is not allowed to send:",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, c.order)
			c.befalls(p)
			m := p.send(t, "k")
			var last gateway.Answer
			gateway.Eventually(t, 10*time.Second, "the message was tried", func() bool {
				last = p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
				return answer(last) != nil && last.Text("status") == c.status
			})
			if got := fmt.Sprint(answer(last)); !strings.HasPrefix(got, c.answer) {
				t.Errorf("answer of the attempt = %s, want %s", got, c.answer)
			}
			attempt, _ := last.JSON["attempts"].([]any)[0].(map[string]any)
			if attempt["code"] != c.code {
				t.Errorf("code %v, want %s", attempt["code"], c.code)
			}
			if c.status == "failed" { // the line is written once that is saved
				gateway.Eventually(t, 10*time.Second, "the log has "+c.code, func() bool { return strings.Contains(p.Log(), "code="+c.code) })
			}
			if log := p.Log(); strings.Contains(log, "ada@example.com") {
				t.Errorf("an address is in the log, want no \"ada@example.com\" in it:\n%s", log)
			}
		})
	}
}
