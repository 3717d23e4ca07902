package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// TestMailGoesOutAsItShould shows each failure that other systems were measured or reported to get
// wrong, at SendGrid, Mailgun and an SMTP server.
func TestMailGoesOutAsItShould(t *testing.T) {
	var rows []mailRow
	rows = append(rows, notTaken()...)
	rows = append(rows, inDoubt()...)
	rows = append(rows, ofOneMessage()...)
	rows = append(rows, breakers()...)
	showRows(t, rows, "")
}

// ends is a row's mail after a mishap: its status, its attempts, and the delivered copies.
func ends(befalls func(r *route), delivery, status, tries, copies string) func(*testing.T, *route) {
	return func(t *testing.T, r *route) {
		t.Helper()
		befalls(r)
		r.becomes(t, r.send(t, "k", object{"delivery": delivery}), status, tries)
		r.wantCopies(t, copies)
	}
}

func atSendGrid(faults ...faultserver.Fault) func(*route) {
	return func(r *route) { r.sendgrid.Inject(faults...) }
}

func atMailgun(faults ...faultserver.Fault) func(*route) {
	return func(r *route) { r.mailgun.Inject(faults...) }
}

func atSMTP(faults ...smtpsim.Fault) func(*route) {
	return func(r *route) { r.smtp.Inject(faults...) }
}

// mailgunSays is Mailgun's refusal with a status and these words.
func mailgunSays(status int, words string) faultserver.Fault {
	return once(faultserver.Answer(status, map[string]string{"Content-Type": "application/json"}, fmt.Sprintf(`{"message": %q}`, words)))
}

// notTaken are the failures that prove that the provider did not take the message: the next one gets it,
// also under at_most_once.
func notTaken() (rows []mailRow) {
	add := func(name, order, outcome string, befalls func(*route)) {
		first, second, _ := strings.Cut(order, ", ")
		rows = append(rows, mailRow{name: name + ": the next provider sends", order: order, shows: ends(
			befalls, "at_most_once", "sent", first+" "+outcome+", "+second+" accepted", first+" 0, "+second+" 1",
		)})
	}
	add("SendGrid refuses connections", "sendgrid, mailgun", "not_accepted", func(r *route) { r.sendgrid.Refuse() })
	add("SendGrid refuses the key", "sendgrid, mailgun", "provider_unusable", atSendGrid(once(sendgridsim.Unauthorized())))
	add("SendGrid's credits are used up", "sendgrid, mailgun", "provider_unusable", atSendGrid(once(sendgridsim.CreditsExceeded())))
	add("SendGrid does not know the sender", "sendgrid, mailgun", "refused_here", atSendGrid(once(sendgridsim.UnverifiedSender())))
	add("SendGrid has suspended the account", "sendgrid, mailgun", "provider_unusable", atSendGrid(once(sendgridsim.Suspended())))
	add("SendGrid refuses in unknown words", "sendgrid, mailgun", "provider_unusable", atSendGrid(once(sendgridsim.Says(403))))
	add("SendGrid asks for a pause", "sendgrid, mailgun", "not_accepted", atSendGrid(once(sendgridsim.RateLimited(time.Minute))))
	add("SendGrid is unavailable", "sendgrid, mailgun", "not_accepted", atSendGrid(once(sendgridsim.ServiceUnavailable())))
	add("Mailgun refuses connections", "mailgun, sendgrid", "not_accepted", func(r *route) { r.mailgun.Refuse() })
	add("Mailgun refuses the key", "mailgun, sendgrid", "provider_unusable", atMailgun(once(mailgunsim.Unauthorized())))
	add("Mailgun's quota is used up", "mailgun, sendgrid", "provider_unusable", atMailgun(once(mailgunsim.PaymentRequired())))
	add("Mailgun does not know the domain", "mailgun, sendgrid", "provider_unusable", atMailgun(once(mailgunsim.NoDomain())))
	add("Mailgun asks for a pause", "mailgun, sendgrid", "not_accepted", atMailgun(once(mailgunsim.RateLimited(time.Minute))))
	add("Mailgun is unavailable", "mailgun, sendgrid", "not_accepted", atMailgun(once(mailgunsim.ServiceUnavailable())))
	for _, of := range []struct{ about, words string }{
		{"a sandbox", "Domain sandbox7.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only. Please upgrade."},
		{"probation", "Your account is on probation."},
		{"a disabled domain", "Domain mg.example.com is disabled."},
		{"no right to send", "Domain mg.example.com is not allowed to send: recipient limit exceeded"},
	} {
		add("Mailgun answers 400 of "+of.about, "mailgun, sendgrid", "provider_unusable", atMailgun(mailgunSays(400, of.words)))
	}
	add("the SMTP server refuses connections", "smtp, mailgun", "not_accepted", func(r *route) { r.smtp.Refuse() })
	add("the SMTP server greets with 421", "smtp, mailgun", "not_accepted", atSMTP(smtpsim.Fault{At: smtpsim.Greeting, Mishap: smtpsim.SaysAndCloses("421 4.3.2 Try later")}))
	add("the SMTP account's credits are used up", "smtp, mailgun", "provider_unusable",
		atSMTP(smtpsim.Fault{At: smtpsim.Auth, Mishap: smtpsim.Says("451 Authentication failed: Maximum credits exceeded")}))
	add("the SMTP server refuses the password", "smtp, mailgun", "provider_unusable", atSMTP(smtpsim.Fault{At: smtpsim.Auth, Mishap: smtpsim.Says("535 5.7.8 Authentication failed")}))
	add("the SMTP server shuts down before the message", "smtp, mailgun", "not_accepted",
		atSMTP(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.SaysAndCloses("421 4.3.2 Shutting down")}))
	add("the SMTP server drops before the message", "smtp, mailgun", "not_accepted", atSMTP(smtpsim.Fault{At: smtpsim.Data, Mishap: smtpsim.Closes()}))
	return append(rows, mailRow{
		name: "an SMTP server without STARTTLS gets nothing: the next provider sends", order: "smtp, mailgun",
		smtp:  smtpsim.Options{Security: smtpsim.StartTLS, Without: []string{"STARTTLS"}},
		shows: ends(func(*route) {}, "at_most_once", "sent", "smtp not_accepted, mailgun accepted", "smtp 0, mailgun 1"),
	}, mailRow{
		name: "an SMTP server gets mail over STARTTLS", order: "smtp, mailgun", smtp: smtpsim.Options{Security: smtpsim.StartTLS},
		shows: ends(func(*route) {}, "at_most_once", "sent", "smtp accepted", "smtp 1, mailgun 0"),
	})
}

// inDoubt are the failures after which the provider may have the message. Each of these has it. A
// provider is asked once, although more attempts are allowed.
func inDoubt() (rows []mailRow) {
	const (
		policy = "{timeout: 10s, attempts: 3, backoff: {initial: 1ms, max: 2ms}}"
		hasty  = "{timeout: 1s, attempts: 3, backoff: {initial: 1ms, max: 2ms}}"
	)
	dot := func(m smtpsim.Mishap) func(*route) {
		return atSMTP(smtpsim.Fault{At: smtpsim.Message, After: true, Mishap: m})
	}
	for _, c := range []struct {
		name, first, second string
		befalls             func(*route)
	}{
		{"SendGrid took it, then reset", "sendgrid", "mailgun", atSendGrid(after(faultserver.Reset()))},
		{"SendGrid took it, and did not answer in time", "sendgrid", "mailgun", atSendGrid(after(faultserver.Hang()))},
		{"SendGrid took it, and answered 500", "sendgrid", "mailgun", atSendGrid(after(sendgridsim.ServerError()))},
		{"SendGrid took it, and answered as its sandbox does", "sendgrid", "mailgun", atSendGrid(after(sendgridsim.Sandboxed()))},
		{"Mailgun took it, then reset", "mailgun", "sendgrid", atMailgun(after(faultserver.Reset()))},
		{"Mailgun took it, and did not answer in time", "mailgun", "sendgrid", atMailgun(after(faultserver.Hang()))},
		{"Mailgun took it, and half of its answer came", "mailgun", "sendgrid", atMailgun(after(faultserver.Truncate()))},
		{"Mailgun took it, and called itself magnificent", "mailgun", "sendgrid", atMailgun(after(mailgunsim.Magnificent()))},
		{"the SMTP server took it, then reset", "smtp", "mailgun", dot(smtpsim.Resets())},
		{"the SMTP server took it, and closed", "smtp", "mailgun", dot(smtpsim.Closes())},
		{"the SMTP server took it, and did not answer in time", "smtp", "mailgun", dot(smtpsim.Hangs())},
		{"the SMTP server took it, and a proxy said 421", "smtp", "mailgun", dot(smtpsim.SaysAndCloses("421 4.4.2 Timeout"))},
	} {
		order, first := c.first+", "+c.second, policy
		if strings.HasSuffix(c.name, "did not answer in time") {
			first = hasty
		}
		rows = append(rows, mailRow{name: c.name + ": no second copy at most once", order: order, first: first, policy: policy, shows: ends(
			c.befalls, "at_most_once", "unknown", c.first+" ambiguous", c.first+" 1, "+c.second+" 0",
		)}, mailRow{name: c.name + ": a second copy at least once", order: order, first: first, policy: policy, shows: ends(
			c.befalls, "at_least_once", "sent", c.first+" ambiguous, "+c.second+" accepted", c.first+" 1, "+c.second+" 1",
		)})
	}
	for _, kind := range []string{"sendgrid", "mailgun"} {
		rows = append(rows, mailRow{
			name:  "a proxy's page in place of an answer: no second copy at most once, " + kind + " first",
			order: map[string]string{"sendgrid": "sendgrid, mailgun", "mailgun": "mailgun, sendgrid"}[kind], shows: pages(kind),
			policy: "{attempts: 3, backoff: {initial: 1ms, max: 2ms}, breaker: {minimum_calls: 1000}}",
		})
	}
	return append(rows, mailRow{name: "the SMTP server took it, answered and closed: it is sent, once", order: "smtp, mailgun", policy: policy, shows: ends(
		dot(smtpsim.AnswersAndCloses()), "at_most_once", "sent", "smtp accepted", "smtp 1, mailgun 0",
	)}, mailRow{name: "the SMTP server took it, answered and reset: it is sent, once", order: "smtp, mailgun", policy: policy, shows: ends(
		dot(smtpsim.AnswersAndResets()), "at_least_once", "sent", "smtp accepted", "smtp 1, mailgun 0",
	)})
}

// pages shows a proxy that answers with its own page after the provider has taken the message.
func pages(kind string) func(*testing.T, *route) {
	return func(t *testing.T, r *route) {
		t.Helper()
		for n, status := range []int{400, 401, 402, 403, 404, 405, 413, 429, 503} {
			for _, of := range []provider{r.sendgrid, r.mailgun} {
				of.Heal()
				of.Inject(faultserver.Fault{After: true, Standing: true, Mishap: faultserver.Page(status)})
			}
			r.becomes(t, r.send(t, fmt.Sprint(status), object{"delivery": "at_most_once"}), "unknown", kind+" ambiguous")
			if copies := len(r.sendgrid.Delivered()) + len(r.mailgun.Delivered()); copies != n+1 {
				t.Fatalf("status %d: got %d copies, want %d", status, copies, n+1)
			}
		}
	}
}

// ofOneMessage are the refusals that say nothing about the provider: its breaker, which one failure would
// open, stays closed.
func ofOneMessage() (rows []mailRow) {
	const policy = "{attempts: 1, breaker: {minimum_calls: 1, failure_rate: 1}}"
	add := func(name, order, status, tries string, befalls func(*route)) {
		first, second, _ := strings.Cut(order, ", ")
		rows = append(rows, mailRow{name: name, order: order, policy: policy, shows: func(t *testing.T, r *route) {
			befalls(r)
			r.becomes(t, r.send(t, "bad"), status, tries)
			other := len(r.of(second).Delivered())
			r.becomes(t, r.send(t, "good", object{"to": []string{r.at("eve")}}), "sent", first+" accepted")
			r.wantCopies(t, fmt.Sprintf("%s 1, %s %d", first, second, other))
		}})
	}
	add("a bad recipient at SendGrid concerns its message alone", "sendgrid, mailgun", "failed", "sendgrid rejected_message", atSendGrid(once(sendgridsim.BadRecipient())))
	add("a bad recipient at Mailgun concerns its message alone", "mailgun, sendgrid", "failed", "mailgun rejected_message", atMailgun(once(mailgunsim.BadRecipient())))
	add("a bad recipient at an SMTP server concerns its message alone", "smtp, mailgun", "failed", "smtp rejected_message",
		atSMTP(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.Says("550 5.1.1 User unknown")}))
	for _, promise := range []string{"at_most_once", "at_least_once"} {
		rows = append(rows, mailRow{
			name: "one bad recipient of two at an SMTP server bounces, and the other gets it once, " + promise, order: "smtp, mailgun", policy: policy,
			shows: func(t *testing.T, r *route) {
				r.smtp.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Match: "eve@", Standing: true, Mishap: smtpsim.Says("550 5.1.1 User unknown")})
				m := r.send(t, "k", object{"to": []string{r.at("ada"), r.at("eve")}, "delivery": promise})
				r.becomes(t, m, "sent", "smtp rejected_message, smtp accepted")
				r.wantCopies(t, "smtp 1, mailgun 0")
				if got, want := r.smtp.Messages()[0].To, []string{r.at("ada")}; !slices.Equal(got, want) {
					t.Errorf("the server took it for %v, want %v", got, want)
				}
				if got, want := fmt.Sprint(r.statuses(t, m)), fmt.Sprint(map[string]string{r.at("ada"): "sent", r.at("eve"): "bounced"}); got != want {
					t.Errorf("recipients %s, want %s", got, want)
				}
				if text := string(r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).Body); !strings.Contains(text, `"reason":"User unknown"`) {
					t.Errorf("the email is %s, want the reason", text)
				}
			},
		})
	}
	add("a sender that SendGrid does not know concerns its message alone", "sendgrid, mailgun", "sent", "sendgrid refused_here, mailgun accepted",
		atSendGrid(once(sendgridsim.UnverifiedSender())))
	add("a sender that Mailgun does not know concerns its message alone", "mailgun, sendgrid", "sent", "mailgun refused_here, sendgrid accepted",
		atMailgun(once(mailgunsim.BadSender())))
	return rows
}

// breakers are providers that fail for a while: an open breaker is skipped, and traffic returns.
func breakers() (rows []mailRow) {
	for _, order := range []string{"sendgrid, mailgun", "mailgun, sendgrid", "smtp, mailgun"} {
		first, second, _ := strings.Cut(order, ", ")
		rows = append(rows, mailRow{
			name: "the open breaker of " + first + " is skipped, and mail returns once it is well", order: order,
			policy: "{timeout: 10s, attempts: 1, breaker: {minimum_calls: 2, open: 10s}}",
			shows: func(t *testing.T, r *route) {
				r.of(first).Refuse()
				for n := range 2 {
					r.becomes(t, r.send(t, fmt.Sprint("down ", n)), "sent", first+" not_accepted, "+second+" accepted")
				}
				for n := range 2 {
					r.becomes(t, r.send(t, fmt.Sprint("skipped ", n)), "sent", second+" accepted")
				}
				r.of(first).Resume()
				n, last := 0, time.Time{}
				gateway.Eventually(t, 40*time.Second, "mail goes through the first again", func() bool {
					if time.Since(last) < time.Second { // the breaker is open for longer
						return false
					}
					n, last = n+1, time.Now()
					sent(t, r.Gateway, r.send(t, fmt.Sprint("again ", n)).Text("id"))
					return len(r.of(first).Delivered()) > 0
				})
			},
		})
	}
	return append(rows, mailRow{name: "twenty at once under one key are one copy, also after a failover", order: "sendgrid, mailgun", shows: func(t *testing.T, r *route) {
		r.sendgrid.Inject(once(sendgridsim.ServiceUnavailable()))
		answers := make([]gateway.Answer, 20)
		var all sync.WaitGroup
		for n := range answers {
			all.Go(func() { answers[n] = r.send(t, "k") })
		}
		all.Wait()
		for _, a := range answers {
			if a.Status != http.StatusAccepted || a.Text("id") != answers[0].Text("id") {
				t.Fatalf("answers %s and %s, want 202 and the same id for each", a, answers[0])
			}
		}
		r.becomes(t, answers[0], "sent", "sendgrid not_accepted, mailgun accepted")
		r.wantCopies(t, "sendgrid 0, mailgun 1")
	}}, mailRow{name: "with every provider down mail waits", order: "sendgrid, mailgun", shows: func(t *testing.T, r *route) {
		r.sendgrid.Refuse()
		r.mailgun.Refuse()
		m := r.send(t, "k")
		gateway.Eventually(t, 20*time.Second, "both were asked", func() bool {
			a := r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
			return a.Text("status") == "queued" && r.attempts(a) == "sendgrid not_accepted, mailgun not_accepted"
		})
		r.mailgun.Resume()
		r.becomes(t, m, "sent", "sendgrid not_accepted, mailgun not_accepted, sendgrid not_accepted, mailgun accepted")
		r.wantCopies(t, "sendgrid 0, mailgun 1")
	}})
}
