package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// simulatedMail is a gateway whose first mail provider is served by `patchbay simulate`. The next one is the
// catcher.
type simulatedMail struct {
	*gateway.Gateway
	*simulator
	provider string
}

// settings has the settings of each provider whose values its simulator prints, by the printed names. The account at
// Stripe is none.
var settings = map[string]map[string]string{
	"sendgrid": {"base_url": "base_url", "api_key": "api_key", "webhook_public_key": "webhook_public_keys"},
	"mailgun":  {"base_url": "base_url", "domain": "domain", "api_key": "api_key", "webhook_signing_key": "webhook_signing_keys"},
	"resend":   {"base_url": "base_url", "api_key": "api_key", "webhook_secret": "webhook_secrets"},
	"stripe":   {"base_url": "base_url", "account": "", "secret_key": "secret_key", "webhook_secret": "webhook_secrets"},
	"ses":      {"base_url": "base_url", "region": "region", "access_key_id": "access_key_id", "secret_access_key": "secret_access_key"},
}

func newSimulatedMail(t *testing.T, provider string) *simulatedMail {
	t.Helper()
	p := &simulatedMail{provider: provider}
	p.Gateway = gateway.Configured(t, fmt.Sprintf(`
mail: {providers: [%[1]s, catcher], from: shop@example.com}
providers: {%[1]s: {type: %[1]s}, catcher: {type: catcher}}
policies: {mail: {timeout: 5s, attempts: 1, breaker: {minimum_calls: 1000}}}
`, provider))
	args := []string{provider}
	if provider != "ses" {
		args = append(args, "--webhooks", p.Base+"/api/webhooks/"+provider)
	}
	p.simulator = simulates(t, len(settings[provider]), args...)
	for printed, setting := range settings[provider] {
		p.Env = append(p.Env, fmt.Sprintf("PATCHBAY_PROVIDERS__%s__%s=%s", strings.ToUpper(provider), strings.ToUpper(setting), p.known[printed]))
	}
	p.Restart(t)
	return p
}

func (p *simulatedMail) accept(t *testing.T, more object) gateway.Answer {
	t.Helper()
	body := object{"subject": "Your order", "text": "Thank you.", "delivery": "at_most_once"}
	maps.Copy(body, more)
	m := p.Do(t, "POST", "/api/emails", body)
	m.HasStatus(t, 202)
	return m
}

// await waits until an email has something.
func (p *simulatedMail) await(t *testing.T, m gateway.Answer, what string, has func(email gateway.Answer) bool) {
	t.Helper()
	var last gateway.Answer
	defer func() {
		if t.Failed() {
			t.Logf("the email is %s", last.Body)
		}
	}()
	gateway.Eventually(t, 60*time.Second, what, func() bool {
		last = p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
		return has(last)
	})
}

// reasons returns why an address is suppressed.
func (p *simulatedMail) reasons(t *testing.T, address string) string {
	t.Helper()
	var all []string
	for _, one := range p.Do(t, "GET", "/api/suppressions?email="+url.QueryEscape(address), nil).Data() {
		list, _ := one["reasons"].([]any)
		for _, r := range list {
			o, _ := r.(object)
			all = append(all, fmt.Sprint(o["reason"]))
		}
	}
	return strings.Join(all, " ")
}

// TestASimulatorReportsWhatBecomesOfMail checks the whole way of an event: the simulator signs it, and the gateway
// shows it and suppresses the address.
func TestASimulatorReportsWhatBecomesOfMail(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"sendgrid", "mailgun", "resend"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			p := newSimulatedMail(t, provider)
			for _, c := range []struct{ address, status, reason, suppressed string }{
				{"ada@example.com", "delivered", "", ""},
				{"delivered@example.com", "delivered", "", ""},
				{"deferred@example.com", "deferred", "452 4.2.2 The mailbox is full", ""},
				{"bounced+7@resend.dev", "bounced", "550 5.1.1 There is no such mailbox", "bounced"},
				{"rejected@example.com", "rejected", "Mail to this address is not delivered", ""},
				{"complained@resend.dev", "complained", "", "complained"},
				{"unsubscribed@example.com", "delivered", "", "unsubscribed"},
				{"clicked@example.com", "delivered", "", ""},
				{"suppressed@resend.dev", "rejected", "suppression list", ""},
			} {
				switch {
				case provider == "resend" && c.status == "deferred":
					c.reason = "" // Resend does not say why
				case provider == "resend" && c.suppressed == "unsubscribed":
					c.suppressed = "" // Resend has no such event
				case provider != "resend" && c.address == "suppressed@resend.dev":
					c.status, c.reason = "delivered", ""
				}
				m := p.accept(t, object{"to": []string{c.address}})
				p.await(t, m, fmt.Sprintf("mail to %s is %s, %q", c.address, c.status, c.reason), func(email gateway.Answer) bool {
					list, _ := email.JSON["recipients"].([]any)
					shown, _ := list[0].(object)
					reason, _ := shown["reason"].(string)
					return shown["status"] == c.status && strings.Contains(reason, c.reason)
				})
				if c.suppressed == "" {
					continue
				}
				gateway.Eventually(t, 20*time.Second, c.address+" is suppressed: "+c.suppressed, func() bool { return p.reasons(t, c.address) == c.suppressed })
			}
			if got := p.reasons(t, "rejected@example.com"); got != "" {
				t.Errorf("rejected@example.com is suppressed: %s, want it not to be", got)
			}
			again := p.accept(t, object{"to": []string{"bounced+7@resend.dev"}})
			p.await(t, again, "the next mail to who bounced is suppressed", func(email gateway.Answer) bool { return email.Text("status") == "suppressed" })
			for _, event := range []string{"opened", "clicked"} {
				gateway.Eventually(t, 20*time.Second, "the feed has "+event, func() bool {
					return slices.ContainsFunc(p.Do(t, "GET", "/api/events?limit=100", nil).Data(), func(e map[string]any) bool { return e["type"] == "message."+event })
				})
			}
		})
	}
}

// befalls is what a fault of a mail provider does to an email under at_most_once.
type befalls struct{ attempts, code, status, copies string }

const (
	thenCatcher = ", catcher accepted"
	ambiguous   = "ambiguous"
)

// mailFaults are the faults that people may ask a simulated mail provider for.
var mailFaults = map[string]befalls{
	"401":                  {"provider_unusable" + thenCatcher, "provider_misconfigured", "sent", "0"},
	"429":                  {"not_accepted" + thenCatcher, "rate_limit", "sent", "0"},
	"503":                  {"not_accepted" + thenCatcher, "unavailable", "sent", "0"},
	"account_suspended":    {"provider_unusable" + thenCatcher, "account_suspended", "sent", "0"},
	"quota_exceeded":       {"provider_unusable" + thenCatcher, "quota_exceeded", "sent", "0"},
	"sender_not_verified":  {"refused_here" + thenCatcher, "sender_not_verified", "sent", "0"},
	"sender_rejected":      {"refused_here" + thenCatcher, "sender_rejected", "sent", "0"},
	"recipient_rejected":   {"rejected_message", "recipient_rejected", "failed", "0"},
	"timeout_before":       {ambiguous, "", "unknown", "0"},
	"timeout_after_commit": {ambiguous, "", "unknown", "1"},
	"500_committed":        {ambiguous, "", "unknown", "1"},
	"reset":                {ambiguous, "", "unknown", "1"},
	"malformed":            {ambiguous, "", "unknown", "1"},
	"hang":                 {ambiguous, "", "unknown", "1"},
}

// faults returns the names of the simulator's faults, and those that wait for a request.
func (s *simulator) faults(t *testing.T, method, form string) (names []string, waiting string) {
	t.Helper()
	status, answer := s.send(t, method, "/simulator/faults", "application/x-www-form-urlencoded", "", form)
	var shown struct {
		Faults  []string
		Waiting json.RawMessage
	}
	if err := json.Unmarshal([]byte(answer), &shown); err != nil || status != 200 {
		t.Fatalf("%s %q: got %d %s (%v), want 200 and what waits", method, form, status, answer, err)
	}
	return shown.Faults, string(shown.Waiting)
}

// TestASimulatedMailProviderFailsOnRequest checks each fault of each provider: where the email goes, and how many
// copies the provider has taken.
func TestASimulatedMailProviderFailsOnRequest(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"sendgrid", "mailgun", "resend", "ses"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			p := newSimulatedMail(t, provider)
			p.fails(t)
		})
	}
}

func (p *simulatedMail) fails(t *testing.T) {
	t.Helper()
	names, waiting := p.faults(t, "GET", "")
	if waiting != "[]" || len(names) != len(mailFaults)-1 { // one of two codes of a sender
		t.Errorf("got the faults %v, and %s waiting, want %d and none", names, waiting, len(mailFaults)-1)
	}
	accepted := map[string]gateway.Answer{}
	for _, name := range names {
		if _, waiting := p.faults(t, "POST", "fault="+name); waiting != fmt.Sprintf(`[{"fault":%q,"times":1}]`, name) {
			t.Errorf("got %s waiting, want %s once", waiting, name)
		}
		accepted[name] = p.accept(t, object{"to": []string{name + "@example.com"}})
		gateway.Eventually(t, 60*time.Second, name+" befalls an email", func() bool {
			_, waiting := p.faults(t, "GET", "")
			return waiting == "[]"
		})
	}
	for name, m := range accepted {
		want, known := mailFaults[name]
		if !known {
			t.Errorf("the fault %s is not expected", name)
			continue
		}
		switch {
		case want.attempts != ambiguous:
		case p.provider == "resend": // it is asked again, and sends nothing twice
			want = befalls{"accepted", "", "delivered", "1"}
		case p.provider != "ses" && want.copies == "1": // its event ends the doubt
			want.attempts, want.status = "accepted", "delivered"
		}
		p.await(t, m, name+" makes an email "+want.status, func(email gateway.Answer) bool { return email.Text("status") == want.status })
		email := p.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)
		if got, tries := attempts(email), p.provider+" "+want.attempts; got != tries {
			t.Errorf("%s: attempts %q, want %q", name, got, tries)
		}
		if want.code != "" && !strings.Contains(string(email.Body), `"code":"`+want.code+`"`) {
			t.Errorf("%s: got %s, want an attempt with the code %s", name, email.Body, want.code)
		}
		_, taken := p.send(t, "GET", "/simulator/messages", "", "", "")
		if got := fmt.Sprint(strings.Count(taken, `"to":["`+name+`@example.com"]`)); got != want.copies {
			t.Errorf("%s: the provider has taken %s copies, want %s", name, got, want.copies)
		}
	}
}
