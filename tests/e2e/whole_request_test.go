package e2e_test

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/tests/gateway"
)

// reaches waits until an email has a status.
func reaches(t *testing.T, g *gateway.Gateway, id, status string) (m gateway.Answer) {
	t.Helper()
	gateway.Eventually(t, 40*time.Second, id+" is "+status, func() bool {
		m = g.Do(t, "GET", "/api/emails/"+id, nil)
		return m.Text("status") == status
	})
	return m
}

// TestTheWholeRequest sends an email with all that a request may say, through SendGrid, and once SendGrid is
// gone through Mailgun.
func TestTheWholeRequest(t *testing.T) {
	t.Parallel()
	g := newMailGateway(t, "sendgrid, mailgun")
	first := g.Do(t, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": "s", "text": "t"})
	first.HasStatus(t, 202)
	thread := first.Text("messageId")
	if !strings.HasPrefix(thread, "<"+first.Text("id")+"@") || !strings.HasSuffix(thread, ">") {
		t.Errorf("messageId %s, want that of %s in angle brackets", thread, first.Text("id"))
	}
	sent(t, g.Gateway, first.Text("id"))
	answer := object{
		"from": object{"email": "shop@example.com", "name": "Der Laden"}, "to": []any{object{"email": "ada@example.com", "name": "Ada, Lovelace"}, "Eve <eve@example.com>"},
		"replyTo": []any{object{"email": "help@example.com"}}, "subject": "Your code", "html": "<p>17</p>", "textFromHtml": false, "tracking": false,
		"inReplyTo": thread, "references": []string{"<0@mail.example>", thread}, "expiresAt": time.Now().Add(time.Hour),
	}
	m := g.Do(t, "POST", "/api/emails", answer)
	m.HasStatus(t, 202)
	sent(t, g.Gateway, m.Text("id"))
	g.sendgrid.Refuse()
	other := g.Do(t, "POST", "/api/emails", answer)
	other.HasStatus(t, 202)
	sent(t, g.Gateway, other.Text("id"))
	for name, all := range map[string][]struct {
		raw      []byte
		tracking string
	}{
		"SendGrid": {{g.sendgrid.Messages()[1].Raw, g.sendgrid.Messages()[1].Tracking}},
		"Mailgun":  {{g.mailgun.Messages()[0].Raw, g.mailgun.Messages()[0].Tracking}},
	} {
		got := all[0]
		letter, err := mail.ReadMessage(bytes.NewReader(got.raw))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := letter.Header.AddressList("To"); err != nil || len(to) != 2 || to[0].Name != "Ada, Lovelace" || to[1].Address != "eve@example.com" {
			t.Errorf("%s: To %v, error %v, want Ada and Eve with their names", name, to, err)
		}
		if from, err := letter.Header.AddressList("From"); err != nil || len(from) != 1 || from[0].Name != "Der Laden" {
			t.Errorf("%s: From %v, error %v, want the name of the shop", name, from, err)
		}
		if id := letter.Header.Get("In-Reply-To"); id != thread {
			t.Errorf("%s: In-Reply-To %s, want %s", name, id, thread)
		}
		if ids := strings.Fields(letter.Header.Get("References")); strings.Join(ids, " ") != "<0@mail.example> "+thread {
			t.Errorf("%s: References %v, want both ids", name, ids)
		}
		if kind := letter.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
			t.Errorf("%s: type %s, want html alone", name, kind)
		}
		if got.tracking != "off" {
			t.Errorf("%s: told tracking %q, want off", name, got.tracking)
		}
	}
	if shown := g.Do(t, "GET", "/api/emails/"+m.Text("id"), nil); shown.JSON["tracking"] != false || shown.Text("expiresAt") == "" {
		t.Errorf("got %s, want tracking false and the expiry", shown.Body)
	}
}

// TestMailThatWaits moves a scheduled email, lets one expire, and retries together what failed.
func TestMailThatWaits(t *testing.T) {
	t.Parallel()
	g := newMailGateway(t, "mailgun")
	send := func(more object) gateway.Answer {
		body := object{"to": []string{"ada@example.com"}, "subject": "s", "text": "t"}
		for name, value := range more {
			body[name] = value
		}
		a := g.Do(t, "POST", "/api/emails", body)
		a.HasStatus(t, 202)
		return a
	}
	far := time.Now().Add(60 * 24 * time.Hour).UTC().Truncate(time.Second)
	m := send(object{"sendAt": far})
	if at := m.Text("nextAttemptAt"); at != far.Format(time.RFC3339) {
		t.Errorf("the next attempt is at %s, want %s", at, far.Format(time.RFC3339))
	}
	g.Do(t, "POST", "/api/emails", object{"to": []string{"ada@example.com"}, "subject": "s", "text": "t", "sendAt": time.Now().Add(100 * 24 * time.Hour)}).HasStatus(t, 400)
	later := far.Add(24 * time.Hour)
	moved := g.Do(t, "POST", "/api/emails/"+m.Text("id")+"/reschedule", object{"sendAt": later})
	if moved.HasStatus(t, 200); moved.Text("sendAt") != later.Format(time.RFC3339) || moved.Text("nextAttemptAt") != later.Format(time.RFC3339) {
		t.Errorf("got %s, want it moved to %s", moved.Body, later)
	}
	g.Do(t, "POST", "/api/emails/"+m.Text("id")+"/retry", nil).HasStatus(t, 202)
	sent(t, g.Gateway, m.Text("id"))
	if again := g.Do(t, "POST", "/api/emails/"+m.Text("id")+"/reschedule", object{"sendAt": later}); again.Status != 409 || again.Code() != "unexpected_state" {
		t.Errorf("one that was sent: got %d %s, want 409 unexpected_state", again.Status, again.Body)
	}

	bad := faultserver.Fault{Mishap: mailgunsim.BadRecipient()}
	g.mailgun.Inject(bad, bad)
	var failed []string
	for range 2 {
		m := send(nil)
		failed = append(failed, m.Text("id"))
		reaches(t, g.Gateway, m.Text("id"), "failed")
	}
	out, err := g.Command(t, "emails", "retry", "--status", "failed", "--code", "recipient_rejected", "--since", far.Add(-61*24*time.Hour).Format(time.RFC3339)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "2 are queued again, 0 cannot be") {
		t.Errorf("retried by the command: error %v, %s, want both queued again", err, out)
	}
	for _, id := range failed {
		sent(t, g.Gateway, id)
	}
	done := g.Do(t, "POST", "/api/emails/retry", object{"status": "failed"})
	if done.HasStatus(t, 200); string(bytes.TrimSpace(done.Body)) != `{"retried":0,"skipped":0}` {
		t.Errorf("got %s, want nothing left to retry", done.Body)
	}

	g.mailgun.Refuse()
	code := send(object{"expiresAt": time.Now().Add(10 * time.Second)})
	end := reaches(t, g.Gateway, code.Text("id"), "failed")
	if attempts, _ := end.JSON["attempts"].([]any); len(attempts) < 2 || attempts[len(attempts)-1].(map[string]any)["code"] != "expired" {
		t.Errorf("got %s, want an attempt, and the code expired in the end", end.Body)
	}
	if again := g.Do(t, "POST", "/api/emails/"+code.Text("id")+"/retry", nil); again.Code() != "message_expired" {
		t.Errorf("a retry of what has expired: got %d %s, want 409 message_expired", again.Status, again.Body)
	}
}
