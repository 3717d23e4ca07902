package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// TestMailKeepsWhatItSaysAndWhen shows what other systems lose or change on the way to the second
// provider, in a batch, and in time.
func TestMailKeepsWhatItSaysAndWhen(t *testing.T) {
	showRows(t, slices.Concat(sameMessage(), batches(), inTime()), "")
}

// sameMessage are mails that go out twice, or by another provider than the first.
func sameMessage() (rows []mailRow) {
	whole := object{
		"cc": []string{"Bob <bob@example.net>"}, "replyTo": []string{"help@example.com"}, "subject": "Your order 7", "text": "Thank you.", "html": "<p>Thank <b>you</b>.</p>",
		"headers": object{"X-Campaign": "7"}, "delivery": "at_least_once",
	}
	for _, order := range []string{"smtp, mailgun", "sendgrid, mailgun", "mailgun, sendgrid"} {
		first, second, _ := strings.Cut(order, ", ")
		rows = append(rows, mailRow{name: "both copies of a message in doubt are the same, " + order, order: order, shows: func(t *testing.T, r *route) {
			switch first {
			case "smtp":
				r.smtp.Inject(smtpsim.Fault{At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()})
			case "sendgrid":
				r.sendgrid.Inject(after(faultserver.Reset()))
			default:
				r.mailgun.Inject(after(faultserver.Reset()))
			}
			r.becomes(t, r.send(t, "k", whole), "sent", first+" ambiguous, "+second+" accepted")
			one, other := r.only(t, first), r.only(t, second)
			names := []string{"Message-Id", "From", "To", "Cc", "Reply-To", "Subject", "X-Campaign"}
			if first == "smtp" { // SendGrid writes the date
				names = append(names, "Date")
			}
			for _, name := range names {
				if a, b := one.Header.Get(name), other.Header.Get(name); a == "" || a != b {
					t.Errorf("%s is %q at %s and %q at %s, want the same", name, a, first, b, second)
				}
			}
			if a, b := partsOf(t, one), partsOf(t, other); !maps.Equal(a, b) || len(a) != 2 {
				t.Errorf("the parts are %q at %s and %q at %s, want the same text and HTML", a, first, b, second)
			}
		}})
	}
	template := object{"templateId": "welcome", "templateData": object{"name": "Ada", "code": 17}, "subject": "", "html": ""}
	return append(rows, mailRow{
		name: "a template that the next provider does not store is rendered here", order: "sendgrid, mailgun",
		more: map[string]string{"sendgrid": ", templates: {welcome: d-17}"},
		shows: func(t *testing.T, r *route) {
			r.sendgrid.Inject(once(sendgridsim.ServiceUnavailable()))
			m := r.Do(t, "POST", "/api/emails", object{
				"from": r.at("shop"), "to": []string{r.at("ada")}, "templateId": template["templateId"], "templateData": template["templateData"], "delivery": "at_most_once",
			})
			r.becomes(t, m, "sent", "sendgrid not_accepted, mailgun accepted")
			got := r.only(t, "mailgun")
			if subject := got.Header.Get("Subject"); subject != "Welcome, Ada" {
				t.Errorf("subject = %q, want that of the template", subject)
			}
			if text := partsOf(t, got)["text/plain"]; !strings.Contains(text, "Hello Ada, your code is 17.") {
				t.Errorf("text = %q, want that of the template", text)
			}
		},
	})
}

// partsOf returns the parts of a message, by type.
func partsOf(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	var head bytes.Buffer
	for name, values := range m.Header {
		for _, v := range values {
			fmt.Fprintf(&head, "%s: %s\r\n", name, v)
		}
	}
	all := map[string]string{}
	for _, p := range leavesOf(t, io.MultiReader(&head, strings.NewReader("\r\n"), m.Body)) {
		kind, _, _ := p.ContentType()
		all[kind] = strings.ReplaceAll(string(p.content), "\r\n", "\n")
	}
	return all
}

// batches are batches of which a part cannot be sent. Of 68 recipients 23 were once dropped, and the
// batch shown as complete.
func batches() (rows []mailRow) {
	refused := func(place int) bool { return place%3 == 1 } // 23 of 68
	address := func(r *route, place int) string {
		return r.at(fmt.Sprintf("%s%d", map[bool]string{true: "refused", false: "taken"}[refused(place)], place))
	}
	names := func(_ *http.Request, body []byte) bool { return bytes.Contains(body, []byte("refused")) }
	for _, order := range []string{"sendgrid, mailgun", "mailgun, sendgrid"} {
		rows = append(rows, mailRow{name: "of 68 recipients 23 are refused, and each is shown, " + order, order: order, shows: func(t *testing.T, r *route) {
			r.sendgrid.Inject(faultserver.Fault{Match: names, Standing: true, Mishap: sendgridsim.BadRecipient()})
			r.mailgun.Inject(faultserver.Fault{Match: names, Standing: true, Mishap: mailgunsim.BadRecipient()})
			var all []object
			for i := range 68 {
				all = append(all, object{"to": []object{{"email": address(r, i)}}, "dynamic_template_data": object{"name": fmt.Sprint("N", i), "code": i}})
			}
			b := r.Do(t, "POST", "/api/emails/batch", object{"from": r.at("shop"), "template_id": "welcome", "personalizations": all, "delivery": "at_most_once"}, gateway.Key(r.domain))
			b.HasStatus(t, 202)
			gateway.Eventually(t, 60*time.Second, "the batch is 45 sent and 23 failed", func() bool {
				return counts(r.Do(t, "GET", "/api/emails/batch/"+b.Text("id"), nil)) == "failed:23 sent:45"
			})
			delivered := map[string]int{}
			for _, m := range slices.Concat(r.sendgrid.Messages(), r.mailgun.Messages()) {
				if len(m.To) != 1 {
					t.Errorf("a copy for %q, want one recipient each", m.To)
				}
				for _, to := range m.To {
					delivered[to]++
				}
			}
			shown := map[string]string{}
			for _, m := range r.emailsOf(t, b) {
				list, _ := m["recipients"].([]any)
				for _, one := range list {
					if o, _ := one.(object); m["status"] != "split" {
						shown[fmt.Sprint(o["email"])] = fmt.Sprint(o["status"])
					}
				}
			}
			for i := range 68 {
				to, want, copies := address(r, i), "sent", 1
				if refused(i) {
					want, copies = "failed", 0
				}
				if shown[to] != want || delivered[to] != copies {
					t.Errorf("%s is shown as %q and has %d copies, want %s and %d", to, shown[to], delivered[to], want, copies)
				}
			}
		}})
	}
	return append(rows, mailRow{name: "a batch in doubt has no second copy at most once", order: "mailgun, sendgrid", shows: func(t *testing.T, r *route) {
		r.mailgun.Inject(after(faultserver.Reset()))
		b := r.Do(t, "POST", "/api/emails/batch", r.pair("at_most_once"), gateway.Key(r.domain))
		gateway.Eventually(t, 30*time.Second, "both are unknown", func() bool {
			return counts(r.Do(t, "GET", "/api/emails/batch/"+b.Text("id"), nil)) == "unknown:2"
		})
		r.wantCopies(t, "mailgun 2, sendgrid 0")
	}}, mailRow{name: "a batch in doubt is sent again as a whole at least once", order: "mailgun, sendgrid", shows: func(t *testing.T, r *route) {
		r.mailgun.Inject(after(faultserver.Reset()))
		b := r.Do(t, "POST", "/api/emails/batch", r.pair("at_least_once"), gateway.Key(r.domain))
		gateway.Eventually(t, 30*time.Second, "both are sent", func() bool {
			return counts(r.Do(t, "GET", "/api/emails/batch/"+b.Text("id"), nil)) == "sent:2"
		})
		copies := map[string]int{}
		for _, m := range append(slices.Clone(r.mailgun.Messages()), r.sendgrid.Messages()...) {
			copies[m.To[0]]++
		}
		if want := map[string]int{r.at("ada"): 2, r.at("bob"): 2}; !maps.Equal(copies, want) {
			t.Errorf("copies = %v, want %v", copies, want)
		}
	}})
}

// pair is a batch for Ada and Bob.
func (r *route) pair(delivery string) object {
	return object{"from": r.at("shop"), "template_id": "welcome", "delivery": delivery, "personalizations": []object{
		{"to": []object{{"email": r.at("ada")}}, "dynamic_template_data": object{"name": "Ada", "code": 1}},
		{"to": []object{{"email": r.at("bob")}}, "dynamic_template_data": object{"name": "Bob", "code": 2}},
	}}
}

// emailsOf returns all emails of a batch.
func (r *route) emailsOf(t *testing.T, batch gateway.Answer) (all []map[string]any) {
	t.Helper()
	for cursor := ""; ; {
		page := r.Do(t, "GET", gateway.Page("/api/emails?limit=100&batch="+batch.Text("id"), cursor), nil)
		all = append(all, page.Data()...)
		if cursor = page.Text("nextCursor"); cursor == "" {
			return all
		}
	}
}

// inTime are mails that wait.
func inTime() []mailRow {
	return []mailRow{
		{name: "a 429's reset is by the clock of the provider, an hour ahead", order: "sendgrid", shows: reset(time.Hour)},
		{name: "a 429's reset is by the clock of the provider, an hour behind", order: "sendgrid", shows: reset(-time.Hour)},
		{name: "the date of a mail is when it is due, at any provider and attempt", order: "smtp, mailgun", shows: dated},
		{
			name: "what waited through an outage goes out once the provider is well, the oldest first", order: "mailgun",
			policy: "{timeout: 10s, attempts: 1, breaker: {open: 1s}}", shows: drained,
		},
		{name: "a retry sends a mail that waits", order: "mailgun", shows: func(t *testing.T, r *route) {
			r.mailgun.Inject(once(mailgunsim.RateLimited(time.Hour)))
			m := r.send(t, "k")
			gateway.Eventually(t, 20*time.Second, "it waits", func() bool {
				a := r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
				return a.Text("status") == "queued" && r.attempts(a) == "mailgun not_accepted"
			})
			r.Do(t, "POST", "/api/emails/"+m.Text("id")+"/retry", nil).HasStatus(t, 202)
			r.becomes(t, m, "sent", "mailgun not_accepted, mailgun accepted")
			r.wantCopies(t, "mailgun 1")
		}},
	}
}

// reset shows a provider whose clock is off, and which asks for a pause of ten seconds.
func reset(off time.Duration) func(*testing.T, *route) {
	return func(t *testing.T, r *route) {
		t.Helper()
		r.sendgrid.Inject(once(faultserver.EachTime(func() faultserver.Mishap {
			theirs := time.Now().Add(off)
			return faultserver.Answer(429, map[string]string{
				"Content-Type": "application/json", "Date": theirs.UTC().Format(http.TimeFormat), "X-RateLimit-Remaining": "0",
				"X-RateLimit-Reset": fmt.Sprint(theirs.Unix() + 10),
			}, `{"errors":[{"message":"too many requests","field":null,"help":null}]}`)
		})))
		m := r.send(t, "k")
		r.becomes(t, m, "sent", "sendgrid not_accepted, sendgrid accepted")
		list, _ := r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["attempts"].([]any)
		var at []time.Time
		for _, one := range list {
			o, _ := one.(object)
			started, err := time.Parse(time.RFC3339Nano, fmt.Sprint(o["startedAt"]))
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, started)
		}
		if waited := at[1].Sub(at[0]); waited < 8*time.Second {
			t.Errorf("waited %s, want about the 10 s that were asked for", waited)
		}
	}
}

func dated(t *testing.T, r *route) {
	r.smtp.Inject(smtpsim.Fault{At: smtpsim.Message, After: true, Mishap: smtpsim.Resets()})
	due := time.Now().Add(4 * time.Second).UTC().Truncate(time.Second)
	m := r.send(t, "k", object{"sendAt": due.Format(time.RFC3339), "delivery": "at_least_once"})
	r.becomes(t, m, "sent", "smtp ambiguous, mailgun accepted")
	for _, kind := range []string{"smtp", "mailgun"} {
		if date, err := r.only(t, kind).Header.Date(); err != nil || !date.Equal(due) {
			t.Errorf("the date at %s is %s, %v, want %s", kind, date, err, due)
		}
	}
}

// drained shows an outage of more than the first wait. The mail that comes afterwards shows that the
// provider is well: without it, what waits would do so for another 20 s.
func drained(t *testing.T, r *route) {
	r.mailgun.Refuse()
	var waiting []gateway.Answer
	for n := range 20 {
		waiting = append(waiting, r.send(t, fmt.Sprint("waiting ", n), object{"to": []string{r.at(fmt.Sprint("waiting", n))}}))
	}
	gateway.Eventually(t, 40*time.Second, "all have failed twice", func() bool {
		for _, m := range waiting {
			list, _ := r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["attempts"].([]any)
			if len(list) < 2 {
				return false
			}
		}
		return true
	})
	r.mailgun.Resume()
	n := 0
	gateway.Eventually(t, 40*time.Second, "new mail goes out", func() bool {
		n++
		m := r.Do(t, "GET", "/api/emails/"+r.send(t, fmt.Sprint("new ", n), object{"to": []string{r.at("new")}}).Text("id"), nil)
		return m.Text("status") == "sent" || len(r.mailgun.Delivered()) > 0
	})
	place := func(messages []mailbox.Message, to string) int {
		return slices.IndexFunc(messages, func(m mailbox.Message) bool { return m.To[0] == to })
	}
	gateway.Eventually(t, 40*time.Second, "what waited goes out", func() bool {
		for n := range waiting {
			if place(r.mailgun.Messages(), r.at(fmt.Sprint("waiting", n))) < 0 {
				return false
			}
		}
		return true
	})
	all := r.mailgun.Messages()
	if first, last := place(all, r.at("waiting0")), place(all, r.at("waiting19")); first > last {
		t.Errorf("the oldest went out as number %d and the youngest as %d, want the oldest first", first, last)
	}
}
