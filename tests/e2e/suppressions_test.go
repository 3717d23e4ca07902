package e2e_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// onEachStore runs a test on a gateway with SendGrid, Mailgun and a public URL, on SQLite and on
// PostgreSQL.
func onEachStore(t *testing.T, test func(t *testing.T, p *mailGateway)) {
	t.Helper()
	t.Parallel()
	for _, store := range []string{"sqlite", "postgres"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var env []string
			if store == "postgres" {
				server := postgres.Shared(t)
				env = []string{
					"PATCHBAY_STORAGE__PROVIDER=db", "PATCHBAY_PROVIDERS__DB__TYPE=postgres", "PATCHBAY_PROVIDERS__DB__HOST=127.0.0.1",
					fmt.Sprint("PATCHBAY_PROVIDERS__DB__PORT=", server.Port), "PATCHBAY_PROVIDERS__DB__DATABASE=" + server.Database(t),
					"PATCHBAY_PROVIDERS__DB__USERNAME=" + postgres.Username, "PATCHBAY_PROVIDERS__DB__SSL=false",
				}
			}
			p := mailGatewayWith(t, sendgridsim.Options{}, mailgunsim.Options{}, "sendgrid, mailgun", "server: {public_url: \"https://mail.example.com\"}\n")
			p.Env = append(p.Env, env...)
			p.Restart(t)
			test(t, p)
		})
	}
}

var marketing = object{"category": "marketing"}

// suppressed waits until an address is suppressed for these reasons, and returns the suppression.
func (p *mailGateway) suppressed(t testing.TB, address string, want ...string) (v object) {
	t.Helper()
	// What was under way when a gateway died is claimed until its lease ends.
	gateway.Eventually(t, 90*time.Second, fmt.Sprintf("%s is suppressed: %v", address, want), func() bool {
		v = nil
		for _, one := range p.Do(t, "GET", "/api/suppressions?email="+url.QueryEscape(address), nil).Data() {
			v = one
		}
		return slices.Equal(reasonsOf(v), want)
	})
	return v
}

func reasonsOf(v object) (all []string) {
	list, _ := v["reasons"].([]any)
	for _, one := range list {
		all = append(all, fmt.Sprint(one.(map[string]any)["reason"]))
	}
	return all
}

// isSuppressed checks that a message of these fields is suppressed, with a reason, without an attempt.
func (p *mailGateway) isSuppressed(t testing.TB, reason string, more ...object) {
	t.Helper()
	m := p.send(t, rand.Text(), more...)
	p.becomes(t, m, "suppressed", "")
	if got := p.recipient(t, m, 0, "suppressed"); got["reason"] != reason {
		t.Errorf("the recipient is %v, want the reason %s", got, reason)
	}
}

func TestABounceAtOneProviderStopsMailByTheOther(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		m := p.send(t, "first")
		p.becomes(t, m, "sent", "sendgrid accepted")
		p.sendEvent(t, "sendgrid", providerEvent{"bounce", "ada@example.com", object{"reason": "550 5.7.1 blocked", "status": "5.7.1", "type": "blocked"}})
		p.recipient(t, m, 0, "bounced")
		p.becomes(t, p.send(t, "a block of our reputation"), "sent", "sendgrid accepted")
		p.suppressed(t, "ada@example.com")

		p.sendEvent(t, "sendgrid", providerEvent{"bounce", "ada@example.com", object{"reason": "550 5.1.1 no such user", "status": "5.1.1", "type": "bounce"}})
		v := p.suppressed(t, "ADA@example.com", "bounced")
		if v["email"] != "ada@example.com" || !strings.HasPrefix(fmt.Sprint(v["id"]), "sup_") {
			t.Errorf("got %v, want ada@example.com under an id", v)
		}
		p.sendgrid.Refuse()
		p.isSuppressed(t, "bounced")
		p.isSuppressed(t, "bounced", marketing)
		m = p.send(t, "with another", object{"to": []string{"Ada <ada@example.com>"}, "cc": []string{"eve@example.com"}, "bcc": []string{"bob@example.com"}})
		p.becomes(t, m, "sent", "sendgrid not_accepted, mailgun accepted")
		p.recipient(t, m, 0, "suppressed")
		p.recipient(t, m, 1, "sent")
		got := p.mailgun.Messages()
		if len(got) != 1 || !slices.Equal(got[0].To, []string{"eve@example.com", "bob@example.com"}) || bytes.Contains(got[0].Raw, []byte("ada@")) {
			t.Errorf("Mailgun has %v, want one message for Eve and Bob that does not name Ada", got)
		}
		p.waitForEvents(t, m, "suppressed", 1)
		if n := p.Metric(t, `patchbay_suppressions_total{reason="bounced"}`); n != "1" {
			t.Errorf("%s bounces are counted, want 1", n)
		}
	})
}

// What a provider says of the past does not bring back an address that was removed since.
func TestARemovedAddressGetsMailAgain(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		p.becomes(t, p.send(t, "first"), "sent", "sendgrid accepted")
		bounce := providerEvent{"bounce", "ada@example.com", object{"reason": "550 5.1.1 no such user", "status": "5.1.1"}}
		p.sendEvent(t, "sendgrid", bounce)
		v := p.suppressed(t, "ada@example.com", "bounced")
		path := fmt.Sprint("/api/suppressions/", v["id"])
		p.Do(t, "GET", path, nil).HasStatus(t, 200)
		p.Do(t, "DELETE", path+"?reason=complained", nil).HasStatus(t, 404, "another reason")
		p.Do(t, "DELETE", path, nil).HasStatus(t, 204)
		p.Do(t, "DELETE", path, nil).HasStatus(t, 404, "again")
		p.Do(t, "GET", path, nil).HasStatus(t, 404, "what was removed")

		message := lastOf(t, p.sendgrid.Messages())
		for i, age := range []time.Duration{time.Hour, 2 * time.Hour} {
			body := sendgridsim.Batch(sendgridsim.EventOf(message, bounce.name, bounce.to, time.Now().Add(-age), sendgridsim.Event(bounce.more)))
			p.wantAccepted(t, "/api/webhooks/sendgrid", body, p.signer.Sign(body, time.Now()))
			gateway.Eventually(t, 20*time.Second, "the older event is applied", func() bool {
				return p.Metric(t, `patchbay_mail_events_total{event="bounced",provider="sendgrid"}`) == fmt.Sprint(i+2)
			})
		}
		p.suppressed(t, "ada@example.com")
		p.becomes(t, p.send(t, "after older events"), "sent", "sendgrid accepted")

		message = lastOf(t, p.sendgrid.Messages())
		body := sendgridsim.Batch(sendgridsim.EventOf(message, bounce.name, bounce.to, time.Now().Add(2*time.Second), sendgridsim.Event(bounce.more)))
		p.wantAccepted(t, "/api/webhooks/sendgrid", body, p.signer.Sign(body, time.Now()))
		p.suppressed(t, "ada@example.com", "bounced")
	})
}

func TestAComplaintStopsMarketing(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		p.sendgrid.Refuse()
		p.becomes(t, p.send(t, "first"), "sent", "sendgrid not_accepted, mailgun accepted")
		p.sendEvent(t, "mailgun", providerEvent{"complained", "ada@example.com", nil})
		p.suppressed(t, "ada@example.com", "complained")
		p.sendgrid.Resume()
		p.isSuppressed(t, "complained", marketing)
		m := p.send(t, "transactional")
		p.recipient(t, m, 0, "sent")

		p.Env = append(p.Env, "PATCHBAY_MAIL__SUPPRESSIONS__COMPLAINTS=all")
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		p.Restart(t)
		p.isSuppressed(t, "complained")
		p.becomes(t, p.send(t, "another", object{"to": []string{"eve@example.com"}}), "sent", "sendgrid accepted")
	})
}

// An event is answered 200 once it is on disk: it suppresses although the gateway dies at once.
func TestAnAcknowledgedBounceSuppressesAfterAKill(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		p.becomes(t, p.send(t, "first"), "sent", "sendgrid accepted")
		p.sendEvent(t, "sendgrid", providerEvent{"bounce", "ada@example.com", object{"reason": "550 5.1.1", "status": "5.1.1"}})
		p.Kill()
		p.Restart(t)
		p.suppressed(t, "ada@example.com", "bounced")
		p.isSuppressed(t, "bounced")
	})
}

func TestARecipientUnsubscribesWithOneClick(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		p.becomes(t, p.send(t, "transactional"), "sent", "sendgrid accepted")
		if path := p.unsubscribePath(t); path != "" {
			t.Errorf("a transactional message has the link %s, want none", path)
		}
		p.becomes(t, p.send(t, "first", marketing), "sent", "sendgrid accepted")
		path := p.unsubscribePath(t)
		if path == "" || names.MatchString(path) {
			t.Fatalf("the link is %q, want one that does not show the address", path)
		}
		form := gateway.Header{"Content-Type": "application/x-www-form-urlencoded"}
		for range 2 {
			page := p.Do(t, "GET", path, nil)
			page.HasStatus(t, 200, "a look")
			if !bytes.Contains(page.Body, []byte("<button>Unsubscribe</button>")) || bytes.Contains(page.Body, []byte("ada@")) || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
				t.Errorf("the page is %s, want a button and no address", page.Body)
			}
		}
		p.becomes(t, p.send(t, "after a look", marketing), "sent", "sendgrid accepted")
		p.Wrong(t, "POST", forged(path), []byte("List-Unsubscribe=One-Click"), form).HasStatus(t, 404, "a token that is not ours")
		p.Do(t, "GET", "/unsubscribe/nonsense", nil).HasStatus(t, 404, "a look at one")
		done := p.Wrong(t, "POST", path, []byte("List-Unsubscribe=One-Click"), form)
		if done.HasStatus(t, 200, "the click"); !bytes.Contains(done.Body, []byte("You are unsubscribed")) {
			t.Errorf("the page is %s, want it to say that it is done", done.Body)
		}
		v := p.suppressed(t, "ada@example.com", "unsubscribed")
		if v["email"] != "ada@example.com" {
			t.Errorf("got %v, want the address", v)
		}
		p.isSuppressed(t, "unsubscribed", marketing)
		p.becomes(t, p.send(t, "transactional again"), "sent", "sendgrid accepted")
		if log := p.Log(); strings.Contains(log, path[len("/unsubscribe/"):]) {
			t.Error("the log has the token, want none")
		}
	})
}

// forged returns a link with another letter in the middle of its token.
func forged(path string) string {
	at, other := len(path)-20, "A"
	if path[at] == 'A' {
		other = "B"
	}
	return path[:at] + other + path[at+1:]
}

// unsubscribePath returns the path of the link in the newest message at SendGrid, "" if it has none.
func (p *mailGateway) unsubscribePath(t testing.TB) string {
	t.Helper()
	got, err := mail.ReadMessage(bytes.NewReader(lastOf(t, p.sendgrid.Messages()).Raw))
	if err != nil {
		t.Fatal(err)
	}
	link := got.Header.Get("List-Unsubscribe")
	if post := got.Header.Get("List-Unsubscribe-Post"); (post == "List-Unsubscribe=One-Click") != (link != "") {
		t.Errorf("List-Unsubscribe is %q and List-Unsubscribe-Post %q, want both or none", link, post)
	}
	path, ok := strings.CutPrefix(strings.Trim(link, "<>"), "https://mail.example.com")
	if link != "" && !ok {
		t.Errorf("the link is %s, want one below the public URL", link)
	}
	return path
}

func TestAnUnsubscribeEventStopsMarketing(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		m := p.send(t, "first", marketing)
		p.becomes(t, m, "sent", "sendgrid accepted")
		p.sendEvent(t, "sendgrid", providerEvent{"group_unsubscribe", "ada@example.com", object{"asm_group_id": 1}})
		p.suppressed(t, "ada@example.com", "unsubscribed")
		p.waitForEvents(t, m, "unsubscribed", 1)
		p.isSuppressed(t, "unsubscribed", marketing)
		p.becomes(t, p.send(t, "transactional"), "sent", "sendgrid accepted")
	})
}

func TestAnErasedPersonStaysSuppressed(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		p.becomes(t, p.send(t, "first"), "sent", "sendgrid accepted")
		p.sendEvent(t, "sendgrid", providerEvent{"bounce", "ada@example.com", object{"reason": "550 5.1.1", "status": "5.1.1"}})
		v := p.suppressed(t, "ada@example.com", "bounced")
		var exported struct{ Suppressions []struct{ Email string } }
		out, text, code := data(t, p.Gateway, "export", "--email", "Ada@Example.com")
		if err := json.Unmarshal([]byte(out), &exported); err != nil || code != 0 || len(exported.Suppressions) != 1 || exported.Suppressions[0].Email != "ada@example.com" {
			t.Errorf("got %v, %d %s%s, want Ada's suppression", err, code, out, text)
		}
		erase(t, p.Gateway, "--email", "ada@example.com")
		left := p.Do(t, "GET", fmt.Sprint("/api/suppressions/", v["id"]), nil)
		if left.Status != 200 || left.Text("email") != "" || left.Text("erasedAt") == "" || !slices.Equal(reasonsOf(left.JSON), []string{"bounced"}) {
			t.Errorf("left: %s, want the reason without the address", left.Body)
		}
		p.isSuppressed(t, "bounced")
		if out, _, code := data(t, p.Gateway, "export", "--email", "ada@example.com"); code != 0 || strings.Contains(out, "sup_") {
			t.Errorf("a second export: %d %s, want no suppression", code, out)
		}
	})
}

// suppressionsCommand runs a command on the list.
func suppressionsCommand(t *testing.T, g *gateway.Gateway, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := g.Command(t, append(append([]string{"suppressions"}, args...), g.Args...)...)
	out, err := cmd.Output()
	return string(out), err
}

func TestCommandsForSuppressions(t *testing.T) {
	onEachStore(t, func(t *testing.T, p *mailGateway) {
		for _, running := range []bool{true, false} {
			if !running {
				p.Kill()
			}
			out, err := suppressionsCommand(t, p.Gateway, "add", "ada@example.com", "--reason", "unsubscribed", "--note", "by telephone")
			if err != nil || out != "ada@example.com is suppressed: unsubscribed\n" {
				t.Errorf("running %t: add prints %q, %v, want that it is suppressed", running, out, err)
			}
			out, err = suppressionsCommand(t, p.Gateway, "list")
			if err != nil || !strings.Contains(out, "ada@example.com") || !strings.Contains(out, "by telephone") {
				t.Errorf("running %t: list prints %q, %v, want Ada and the note", running, out, err)
			}
			if out, err = suppressionsCommand(t, p.Gateway, "list", "--tenant", "acme"); err != nil || strings.Contains(out, "ada@example.com") {
				t.Errorf("running %t: the list of another tenant is %q, %v, want no Ada", running, out, err)
			}
			if _, err = suppressionsCommand(t, p.Gateway, "add", "nonsense"); err == nil {
				t.Errorf("running %t: add of no address has no error, want one", running)
			}
			if _, err = suppressionsCommand(t, p.Gateway, "remove", "ADA@example.com"); err != nil {
				t.Errorf("running %t: remove: %v, want no error", running, err)
			}
			if _, err = suppressionsCommand(t, p.Gateway, "remove", "ada@example.com"); err == nil {
				t.Errorf("running %t: a second remove has no error, want one", running)
			}
			if out, err = suppressionsCommand(t, p.Gateway, "list"); err != nil || strings.Contains(out, "ada@example.com") {
				t.Errorf("running %t: list prints %q, %v, want no Ada", running, out, err)
			}
		}
	})
}

func TestSuppressionsByTheAPI(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "sendgrid, mailgun")
	for i := range 3 {
		p.Do(t, "POST", "/api/suppressions", object{"email": fmt.Sprintf("user%d@example.com", i), "note": "asked by letter"}).HasStatus(t, 200)
	}
	first := p.Do(t, "GET", "/api/suppressions?limit=2", nil)
	second := p.Do(t, "GET", "/api/suppressions?limit=2&cursor="+first.Text("nextCursor"), nil)
	var got []string
	for _, v := range append(first.Data(), second.Data()...) {
		got = append(got, fmt.Sprint(v["email"], reasonsOf(v)))
	}
	if want := []string{"user2@example.com[manual]", "user1@example.com[manual]", "user0@example.com[manual]"}; !slices.Equal(got, want) {
		t.Errorf("the list is %q, want %q", got, want)
	}
	for code, body := range map[string]string{
		"invalid_address": `{"email":"Ada <ada@example.com>"}`, "invalid_reason": `{"email":"ada@example.com","reason":"fun"}`, "unknown_field": `{"email":"ada@example.com","a":1}`,
	} {
		a := p.Wrong(t, "POST", "/api/suppressions", []byte(body), gateway.Header{"Content-Type": "application/json"})
		if a.Status != 400 || a.Code() != code {
			t.Errorf("%s: got %d %s, want 400 %s", body, a.Status, a.Body, code)
		}
	}
	if a := p.Wrong(t, "POST", "/api/emails", []byte(`{"to":["ada@example.com"],"subject":"s","text":"t","category":"fun"}`), gateway.Header{"Content-Type": "application/json"}); a.Code() != "invalid_category" {
		t.Errorf("a category that is none: got %d %s, want invalid_category", a.Status, a.Body)
	}
	m := p.send(t, "k", marketing)
	if m.Text("category") != "marketing" || p.send(t, "k2").Text("category") != "transactional" {
		t.Errorf("got %s, want the category, or transactional", m.Body)
	}
}
