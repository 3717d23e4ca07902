package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/gateway"
)

// providerEvent is an event about a recipient in a provider's own words.
type providerEvent struct {
	name, to string
	more     object
}

// sendEvent makes a provider send an event about the last message that it accepted, signed now.
func (p *mailGateway) sendEvent(t testing.TB, provider string, list ...providerEvent) {
	t.Helper()
	if provider == "sendgrid" {
		message := lastOf(t, p.sendgrid.Messages())
		var events []sendgridsim.Event
		for _, n := range list {
			events = append(events, sendgridsim.EventOf(message, n.name, n.to, time.Now(), sendgridsim.Event(n.more)))
		}
		body := sendgridsim.Batch(events...)
		p.wantAccepted(t, "/api/webhooks/sendgrid", body, p.signer.Sign(body, time.Now()))
		return
	}
	for _, n := range list {
		event := mailgunsim.EventOf(lastOf(t, p.mailgun.Messages()), n.name, n.to, time.Now(), mailgunsim.Event(n.more))
		p.wantAccepted(t, "/api/webhooks/mailgun", mailgunsim.Body(mailgunsim.Sign(p.signing, time.Now()), event), nil)
	}
}

func lastOf(t testing.TB, messages []mailbox.Message) mailbox.Message {
	t.Helper()
	if len(messages) == 0 {
		t.Fatal("got no message at the provider, want one")
	}
	return messages[len(messages)-1]
}

// wantAccepted checks that a webhook is answered 200.
func (p *mailGateway) wantAccepted(t testing.TB, path string, body []byte, headers gateway.Header) {
	t.Helper()
	p.webhook(t, path, body, headers).HasStatus(t, 200)
}

func (p *mailGateway) webhook(t testing.TB, path string, body []byte, headers gateway.Header) gateway.Answer {
	t.Helper()
	return p.Wrong(t, "POST", path, body, gateway.Header{"Content-Type": "application/json"}, headers)
}

// recipient waits until a recipient has this status, and returns what the API shows of it.
func (p *mailGateway) recipient(t testing.TB, m gateway.Answer, place int, status string) object {
	t.Helper()
	var shown object
	gateway.Eventually(t, 20*time.Second, "the recipient is "+status, func() bool {
		list, _ := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["recipients"].([]any)
		shown, _ = list[place].(object)
		return shown["status"] == status
	})
	return shown
}

// feed returns the types of the events of a message, oldest first.
func (p *mailGateway) feed(t testing.TB, m gateway.Answer) (types []string) {
	t.Helper()
	for _, e := range p.Do(t, "GET", "/api/events?limit=100", nil).Data() {
		if e["subject"] == m.Text("id") {
			types = append(types, strings.TrimPrefix(fmt.Sprint(e["type"]), "message."))
		}
	}
	return types
}

// waitForEvents waits until the feed has this many events of a type.
func (p *mailGateway) waitForEvents(t testing.TB, m gateway.Answer, event string, want int) {
	t.Helper()
	count := func() (n int) {
		for _, e := range p.feed(t, m) {
			if e == event {
				n++
			}
		}
		return n
	}
	gateway.Eventually(t, 30*time.Second, "the feed has "+event, func() bool { return count() >= want })
	if n := count(); n != want {
		t.Errorf("%d times %s in the feed, want %v", n, event, want)
	}
}

// TestAnUnknownEmailIsResolvedByItsProvider checks mail that a provider accepts without ever
// answering. It is neither sent again nor given up: the provider's webhook shows that it was
// accepted.
func TestAnUnknownEmailIsResolvedByItsProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first     string
		event     providerEvent
		status    string
		recipient string
	}{
		{"sendgrid", providerEvent{"processed", "ada@example.com", nil}, "sent", "sent"},
		{"sendgrid", providerEvent{"delivered", "ada@example.com", nil}, "delivered", "delivered"},
		{"sendgrid", providerEvent{"bounce", "ada@example.com", object{"reason": "550 no such user", "status": "5.1.1"}}, "sent", "bounced"},
		{"mailgun", providerEvent{"accepted", "ada@example.com", nil}, "sent", "sent"},
		{"mailgun", providerEvent{"delivered", "ada@example.com", nil}, "delivered", "delivered"},
		{"mailgun", providerEvent{"failed", "ada@example.com", object{"severity": "permanent", "delivery-status": object{"code": 550}}}, "sent", "bounced"},
	} {
		t.Run(c.event.name+" of "+c.first, func(t *testing.T) {
			t.Parallel()
			order := map[string]string{"sendgrid": "sendgrid, mailgun", "mailgun": "mailgun, sendgrid"}[c.first]
			p := newMailGateway(t, order)
			p.sendgrid.Inject(after(faultserver.Reset()))
			p.mailgun.Inject(after(faultserver.Reset()))
			m := p.send(t, "k", object{"delivery": "at_most_once"})
			p.becomes(t, m, "unknown", c.first+" ambiguous")
			p.sendEvent(t, c.first, c.event)
			p.becomes(t, m, c.status, c.first+" accepted")
			p.recipient(t, m, 0, c.recipient)
			p.waitForEvents(t, m, "sent", 1)
			if n := len(p.sendgrid.Delivered()) + len(p.mailgun.Delivered()); n != 1 {
				t.Errorf("got %d copies, want 1", n)
			}
			if log := p.Log(); !strings.Contains(log, `msg="outcome of an email is known"`) || strings.Contains(log, "ada@example.com") {
				t.Errorf("got %s, want msg=\"outcome of an email is known\" in it, no \"ada@example.com\" in it", log)
			}
		})
	}
}

func TestTheFateOfAnEmailIsShown(t *testing.T) {
	t.Parallel()
	for provider, words := range map[string]map[string]providerEvent{
		"sendgrid": {
			"bounced":   {"bounce", "ada@example.com", object{"reason": "550 5.1.1 <ada@example.com> no such user", "status": "5.1.1"}},
			"delivered": {"delivered", "eve@xn--bcher-kva.example", nil},
			"opened":    {"open", "eve@xn--bcher-kva.example", nil},
			"strange":   {"teleported", "ada@example.com", nil},
		},
		"mailgun": {
			"bounced":   {"failed", "ada@example.com", object{"severity": "permanent", "delivery-status": object{"code": 550, "enhanced-code": "5.1.1", "message": "550 5.1.1 <ada@example.com> no such user"}}},
			"delivered": {"delivered", "eve@xn--bcher-kva.example", nil},
			"opened":    {"opened", "eve@xn--bcher-kva.example", nil},
			"strange":   {"teleported", "ada@example.com", nil},
		},
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			p := newMailGateway(t, provider)
			m := p.send(t, "k", object{"cc": []string{"eve@bücher.example"}})
			p.becomes(t, m, "sent", provider+" accepted")
			ada := providerEvent{"delivered", "ada@example.com", nil}
			p.sendEvent(t, provider, words["bounced"], words["strange"], words["delivered"], ada, words["opened"])
			shown := p.recipient(t, m, 0, "bounced")
			if shown["reason"] != "550 5.1.1 <[…]> no such user" || shown["code"] != "5.1.1" || shown["provider"] != provider || shown["at"] == nil {
				t.Errorf("got %v, want reason \"550 5.1.1 <[…]> no such user\", code 5.1.1, provider %v, an at", shown, provider)
			}
			p.recipient(t, m, 1, "delivered")
			p.waitForEvents(t, m, "bounced", 1)
			p.waitForEvents(t, m, "opened", 1)
			if got := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil); got.Text("status") != "sent" {
				t.Errorf("got %s, want sent", got.Body)
			}
			events := string(p.Do(t, "GET", "/api/events?limit=100", nil).Body)
			if strings.Contains(events, "@example.com") || !strings.Contains(events, "no such user") {
				t.Errorf("got %s, want no \"@example.com\" in it, \"no such user\" in it", events)
			}
			gateway.Eventually(t, 20*time.Second, "one event of an unknown type is counted", func() bool {
				return p.Metric(t, fmt.Sprintf(`patchbay_mail_events_total{event="ignored_unknown_type",provider=%q}`, provider)) == "1"
			})
		})
	}
}

// TestARepeatedSendGridEventCountsOnce checks that an event that SendGrid sends repeatedly, each time with
// another id, counts as one.
func TestARepeatedSendGridEventCountsOnce(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "sendgrid accepted")
	at, message := time.Now(), lastOf(t, p.sendgrid.Messages())
	var all sync.WaitGroup
	for range 46 {
		all.Go(func() {
			body := sendgridsim.Batch(sendgridsim.EventOf(message, "open", "ada@example.com", at), sendgridsim.EventOf(message, "delivered", "ada@example.com", at))
			p.wantAccepted(t, "/api/webhooks/sendgrid", body, p.signer.Sign(body, at))
		})
	}
	all.Wait()
	p.becomes(t, m, "delivered", "sendgrid accepted")
	p.waitForEvents(t, m, "opened", 1)
	p.waitForEvents(t, m, "delivered", 1)
}

func TestAMailWebhookThatIsNotRight(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid, mailgun")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "sendgrid accepted")
	message := lastOf(t, p.sendgrid.Messages())
	body := sendgridsim.Batch(sendgridsim.EventOf(message, "bounce", "ada@example.com", time.Now()))
	now := time.Now()
	mailgun := func(s mailgunsim.Signature) []byte {
		return mailgunsim.Body(s, mailgunsim.EventOf(message, "failed", "ada@example.com", now, mailgunsim.Event{"severity": "permanent"}))
	}
	forged := mailgunsim.Sign(p.signing, now)
	forged.Token += "x"
	for name, c := range map[string]struct {
		path    string
		body    []byte
		headers gateway.Header
	}{
		"SendGrid's, unsigned":         {"/api/webhooks/sendgrid", body, nil},
		"SendGrid's, changed":          {"/api/webhooks/sendgrid", append(body, ' '), p.signer.Sign(body, now)},
		"SendGrid's, 26 hours old":     {"/api/webhooks/sendgrid", body, p.signer.Sign(body, now.Add(-26*time.Hour))},
		"SendGrid's, with another key": {"/api/webhooks/sendgrid", body, sendgridsim.NewSigner().Sign(body, now)},
		"Mailgun's, unsigned":          {"/api/webhooks/mailgun", []byte(`{}`), nil},
		"Mailgun's, forged":            {"/api/webhooks/mailgun", mailgun(forged), nil},
		"Mailgun's, 10 hours old":      {"/api/webhooks/mailgun", mailgun(mailgunsim.Sign(p.signing, now.Add(-10*time.Hour))), nil},
		"Mailgun's, with another key":  {"/api/webhooks/mailgun", mailgun(mailgunsim.Sign("other", now)), nil},
	} {
		if a := p.webhook(t, c.path, c.body, c.headers); a.Status != 400 || a.Code() != "invalid_signature" {
			t.Errorf("%s: got %d %s, want 400, code invalid_signature", name, a.Status, a.Body)
		}
	}
	// It is correctly signed by an account that did not send the message, so it is accepted and
	// counted.
	p.wantAccepted(t, "/api/webhooks/mailgun", mailgun(mailgunsim.Sign(p.signing, now)), nil)
	gateway.Eventually(t, 10*time.Second, "it is counted", func() bool {
		return p.Metric(t, `patchbay_mail_events_total{event="ignored_other_account",provider="mailgun"}`) == "1"
	})
	p.becomes(t, m, "sent", "sendgrid accepted")
	p.recipient(t, m, 0, "sent")
}

// TestATokenOfMailgunsIsTakenOnce checks that a signature cannot be reused for another event:
// Mailgun's signature does not cover the event.
func TestATokenOfMailgunsIsTakenOnce(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "mailgun")
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "mailgun accepted")
	signature, message := mailgunsim.Sign(p.signing, time.Now()), lastOf(t, p.mailgun.Messages())
	p.wantAccepted(t, "/api/webhooks/mailgun", mailgunsim.Body(signature, mailgunsim.EventOf(message, "delivered", "ada@example.com", time.Now())), nil)
	p.recipient(t, m, 0, "delivered")
	p.wantAccepted(t, "/api/webhooks/mailgun", mailgunsim.Body(signature, mailgunsim.EventOf(message, "complained", "ada@example.com", time.Now())), nil)
	// The event after it is very likely applied after it.
	p.sendEvent(t, "mailgun", providerEvent{"opened", "ada@example.com", nil})
	p.waitForEvents(t, m, "opened", 1)
	p.recipient(t, m, 0, "delivered")
	p.waitForEvents(t, m, "complained", 0)
}

// TestAnOldMailWebhookIsRefusedBeforeItsBody checks that a webhook whose headers show that it is
// too old is refused without reading its body.
func TestAnOldMailWebhookIsRefusedBeforeItsBody(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var head strings.Builder
	for name, value := range p.signer.Sign(nil, time.Now().Add(-26*time.Hour)) {
		fmt.Fprintf(&head, "%s: %s\r\n", name, value)
	}
	if _, err := fmt.Fprintf(conn, "POST /api/webhooks/sendgrid HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: 5000000\r\n\r\n", head.String()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 400 {
		t.Errorf("got %d, want 400", resp.StatusCode)
	}
}

// TestAnUnsolicitedAnswerIsInTheLog checks that the line that net/http itself logs about an
// unsolicited response of a provider is in the gateway's log, without the content of the response.
func TestAnUnsolicitedAnswerIsInTheLog(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid")
	p.sendgrid.Inject(after(faultserver.Unsolicited("ada@example.com owes 5 pounds")))
	m := p.send(t, "k")
	p.becomes(t, m, "sent", "sendgrid accepted")
	gateway.Eventually(t, 10*time.Second, "it is in the log", func() bool { return strings.Contains(p.Log(), "Unsolicited response") })
	for line := range strings.Lines(p.Log()) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "pounds") || strings.Contains(line, "ada@") {
			t.Errorf("got %s, want line beginning with \"time=\", no \"pounds\" in it, no \"ada@\" in it", line)
		}
	}
}

// TestAHeadThatIsRefusedIsNotInTheLog checks that a malformed request head is refused, and that the
// log does not quote it, since it may contain an API key.
func TestAHeadThatIsRefusedIsNotInTheLog(t *testing.T) {
	t.Parallel()
	g := gateway.Start(t)
	for name, head := range map[string]string{
		"a target that is none":   "GET %2fapi/users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pb_secret\r\n\r\n",
		"a host that is none":     "GET /api/users HTTP/1.1\r\nHost: a%zz\r\nAuthorization: Bearer pb_secret\r\n\r\n",
		"a line that is no field": "GET /api/users HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer pb_secret\r\n\r\n",
		"a version that is none":  "GET /api/users?key=pb_secret HTTP/9\r\nHost: localhost\r\n\r\n",
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(g.Base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(conn, head); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode != 400 && resp.StatusCode != 505 {
			t.Errorf("%s: got %d, want 400 or 505", name, resp.StatusCode)
		}
		resp.Body.Close()
		conn.Close()
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(g.Log()) {
		if !strings.HasPrefix(line, "time=") || strings.Contains(line, "pb_secret") {
			t.Errorf("got %s, want line beginning with \"time=\", no \"pb_secret\" in it", line)
		}
	}
}
