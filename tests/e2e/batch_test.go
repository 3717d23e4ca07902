package e2e_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// writeTemplate puts the template welcome where a gateway looks for it.
func writeTemplate(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	if err := os.MkdirAll(g.Data("templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"welcome.subject.hbs": "Welcome, {{name}}", "welcome.text.hbs": "Hello {{name}}, your code is {{code}}."} {
		if err := os.WriteFile(filepath.Join(g.Data("templates"), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// withTemplate gives a running gateway the template welcome.
func withTemplate(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	writeTemplate(t, g)
	nobody := object{"template_id": "welcome", "personalizations": []object{{"to": []object{{"email": "nobody"}}, "dynamic_template_data": object{"name": "N", "code": 1}}}}
	gateway.Eventually(t, 20*time.Second, "the gateway knows the template", func() bool {
		return g.Do(t, "POST", "/api/emails/batch", nobody).Text("error", "param") != "template_id"
	})
}

// batchOf is a request for n copies, for u0@example.com and so on.
func batchOf(n int, more object) object {
	var all []object
	for i := range n {
		all = append(all, object{
			"to":                    []object{{"email": fmt.Sprintf("u%d@example.com", i), "name": fmt.Sprint("User ", i)}},
			"dynamic_template_data": object{"name": fmt.Sprint("U", i), "code": 1000 + i},
		})
	}
	body := object{"template_id": "welcome", "personalizations": all}
	maps.Copy(body, more)
	return body
}

// copiesOf counts the delivered copies by their only recipient, and reports what is not that
// recipient's.
func copiesOf(t *testing.T, delivered [][]byte) map[string]int {
	t.Helper()
	copies := map[string]int{}
	for _, raw := range delivered {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		to, err := m.Header.AddressList("To")
		if err != nil || len(to) != 1 {
			t.Fatalf("recipients = %v, %v; want one", to, err)
		}
		name := strings.ToUpper(strings.TrimSuffix(to[0].Address, "@example.com"))
		var text bytes.Buffer
		if _, err := text.ReadFrom(m.Body); err != nil {
			t.Fatal(err)
		}
		var i int
		if _, err := fmt.Sscanf(name, "U%d", &i); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("Hello %s, your code is %d.", name, 1000+i); !strings.Contains(text.String(), want) {
			t.Errorf("%s got %q, want %q in it", to[0].Address, text.String(), want)
		}
		copies[to[0].Address]++
	}
	return copies
}

// counts returns the counts of a batch, as "sent:2 bounced:1".
func counts(a gateway.Answer) string {
	all, _ := a.JSON["counts"].(map[string]any)
	var texts []string
	for _, status := range slices.Sorted(maps.Keys(all)) {
		texts = append(texts, fmt.Sprintf("%s:%v", status, all[status]))
	}
	return strings.Join(texts, " ")
}

func (p *mailGateway) awaitCounts(t *testing.T, batch, want string) {
	t.Helper()
	var got string
	gateway.Eventually(t, 60*time.Second, "the batch has "+want, func() bool {
		got = counts(p.Do(t, "GET", "/api/emails/batch/"+batch, nil))
		return got == want
	})
}

func TestABatch(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "mailgun, sendgrid", "mail: {timeout: 20s}") // a call has a hundred copies
	withTemplate(t, p.Gateway)
	b := p.Do(t, "POST", "/api/emails/batch", batchOf(150, object{"tags": []string{"autumn"}}), gateway.Key("b"))
	b.HasStatus(t, 202)
	again := p.Do(t, "POST", "/api/emails/batch", batchOf(150, object{"tags": []string{"autumn"}}), gateway.Key("b"))
	if again.Text("id") != b.Text("id") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeat = %s, want batch %s, replayed", again, b.Text("id"))
	}
	p.awaitCounts(t, b.Text("id"), "sent:150")
	copies := copiesOf(t, p.mailgun.Delivered())
	if len(copies) != 150 {
		t.Errorf("%d recipients got a copy, want 150", len(copies))
	}
	for address, n := range copies {
		if n != 1 {
			t.Errorf("%s got %d copies, want 1", address, n)
		}
	}
	to := slices.Sorted(maps.Keys(copiesOf(t, p.mailgun.Delivered()[len(p.mailgun.Delivered())-1:])))[0]
	p.sendEvent(t, "mailgun", providerEvent{name: "failed", to: to, more: object{"severity": "permanent"}})
	p.awaitCounts(t, b.Text("id"), "bounced:1 sent:149")
	page := p.Do(t, "GET", "/api/emails?limit=100&batch="+b.Text("id"), nil)
	for _, m := range page.Data() {
		if m["batchId"] != b.Text("id") {
			t.Errorf("an email of batch %v is listed, want those of %s", m["batchId"], b.Text("id"))
		}
	}
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "mailgun")
	withTemplate(t, p.Gateway)
	for _, tt := range []struct {
		name, param string
		change      func(body object, all []object)
	}{
		{"an address that is none", "personalizations[1].to[0]", func(_ object, all []object) { all[1]["to"] = []object{{"email": "bob"}} }},
		{"data without a key", "personalizations[1].dynamic_template_data.code", func(_ object, all []object) { all[1]["dynamic_template_data"] = object{"name": "U1"} }},
		{"a template that nobody has", "template_id", func(body object, _ []object) { body["template_id"] = "bye" }},
	} {
		body := batchOf(2, nil)
		all, _ := body["personalizations"].([]object)
		tt.change(body, all)
		a := p.Do(t, "POST", "/api/emails/batch", body)
		a.HasStatus(t, 400, tt.name)
		if got := a.Text("error", "param"); got != tt.param {
			t.Errorf("%s: param = %q, want %q", tt.name, got, tt.param)
		}
	}
	wantCopies(t, "mailgun", p.mailgun, 0)
}

// The gateway is killed again and again while it splits and sends a batch.
func TestABatchSurvivesKills(t *testing.T) {
	t.Parallel()
	p := newMailGateway(t, "mailgun, sendgrid")
	withTemplate(t, p.Gateway)
	b := p.Do(t, "POST", "/api/emails/batch", batchOf(300, object{"delivery": "at_most_once"}), gateway.Key("b"))
	b.HasStatus(t, 202)
	for i := range 5 {
		want := 1 + i*50
		gateway.Eventually(t, 60*time.Second, "some of the batch are sent", func() bool {
			return len(p.mailgun.Delivered())+len(p.sendgrid.Delivered()) >= min(want, 200)
		})
		p.Kill()
		p.Restart(t)
	}
	gateway.Eventually(t, 3*time.Minute, "all of the batch have ended", func() bool {
		a := counts(p.Do(t, "GET", "/api/emails/batch/"+b.Text("id"), nil))
		return !strings.Contains(a, "queued") && !strings.Contains(a, "sending")
	})
	a := p.Do(t, "GET", "/api/emails/batch/"+b.Text("id"), nil)
	copies := copiesOf(t, slices.Concat(p.mailgun.Delivered(), p.sendgrid.Delivered()))
	for address, n := range copies {
		if n != 1 {
			t.Errorf("%s got %d copies under at_most_once, want 1", address, n)
		}
	}
	all, _ := a.JSON["counts"].(map[string]any)
	sentOnes, _ := all["sent"].(float64)
	unknown, _ := all["unknown"].(float64)
	if sentOnes+unknown != 300 || float64(len(copies)) < sentOnes {
		t.Errorf("counts = %s and %d got a copy, want sent and unknown to be 300 together and a copy for each that is sent", counts(a), len(copies))
	}
	t.Logf("%s; %d got a copy", counts(a), len(copies))
}
