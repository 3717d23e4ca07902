package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

// outage is a gateway on a PostgreSQL server that can be killed, with API keys required.
type outage struct {
	*gateway.Gateway
	server *postgres.Server
	key    gateway.Header
}

func startOutage(t *testing.T, standby string) *outage {
	t.Helper()
	o := &outage{server: postgres.Start(t)}
	o.Gateway = gateway.Configured(t, fmt.Sprintf(`
auth: {mode: required}
storage: {provider: postgres, standby: mirror}
providers:
  postgres: %s
  mirror: %s
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
  catcher: {type: catcher, keep: 1000000}
`, gateway.OnPostgres(o.server, o.server.Database(t)), standby), "MOCK_WEBHOOK_SECRET="+gateway.Secret)
	o.key = o.FirstKey(t)
	o.Restart(t)
	return o
}

func (o *outage) do(t *testing.T, method, path string, body any, headers ...gateway.Header) gateway.Answer {
	t.Helper()
	return o.Do(t, method, path, body, append(headers, o.key)...)
}

// within makes a request, and checks that the answer comes in time.
func (o *outage) within(t *testing.T, limit time.Duration, method, path string, body any, headers ...gateway.Header) gateway.Answer {
	t.Helper()
	asked := time.Now()
	a := o.do(t, method, path, body, headers...)
	if took := time.Since(asked); took > limit {
		t.Errorf("%s %s took %s, want at most %v", method, path, took, limit)
	}
	return a
}

func (o *outage) copies(t *testing.T, id string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.Dir, "data", "mail", "*-"+id+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func (o *outage) spooled(t *testing.T, what string) int64 {
	t.Helper()
	spool, _ := o.AskAsOperator(t, "/admin/storage").JSON["spool"].(map[string]any)
	n, _ := spool[what].(float64)
	return int64(n)
}

func (o *outage) fed(t *testing.T) {
	t.Helper()
	saved := time.Now()
	gateway.Eventually(t, 20*time.Second, "the standby is fed", func() bool {
		asOf, err := time.Parse(time.RFC3339Nano, o.AskAsOperator(t, "/admin/storage").Text("standby", "asOf"))
		return err == nil && asOf.After(saved)
	})
}

func emailBody(subject string) object {
	return object{"to": []string{"ada@example.com"}, "subject": subject, "text": "Hello"}
}

// largeEmail is an email with a file that is too large for the message's own record.
func largeEmail(subject string) object {
	l := emailBody(subject)
	l["attachments"] = []object{{"filename": "book.txt", "contentType": "text/plain", "content": bytes.Repeat([]byte("Hello. "), 100_000)}}
	return l
}

// wantFileSent checks that the file was sent complete.
func (o *outage) wantFileSent(t *testing.T, id string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.Dir, "data", "mail", "*-"+id+".eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got the files %v, error %v, want one", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil || len(raw) < 700_000 {
		t.Errorf("%d bytes went out, %v, want at least 700,000", len(raw), err)
	}
}

func TestTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	for name, standby := range map[string]func(t *testing.T) string{
		"with a standby in a file": func(*testing.T) string { return "{type: sqlite, path: data/mirror.db}" },
		"with a standby in Mongo":  func(t *testing.T) string { return gateway.OnMongo(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOutage(t, standby(t))
			o.goesAndComesBack(t)
		})
	}
}

func (o *outage) goesAndComesBack(t *testing.T) {
	ada := o.do(t, "POST", "/api/users", object{"email": "ada@example.com", "name": "Ada"})
	gone := o.do(t, "POST", "/api/users", object{"email": "gone@example.com"})
	o.do(t, "DELETE", "/api/users/"+gone.Text("id"), nil)
	before := o.do(t, "POST", "/api/emails", emailBody("before"), gateway.Key("before"))
	other := o.do(t, "POST", "/api/emails", emailBody("other"), gateway.Key("other"))
	waiting := o.do(t, "POST", "/api/payments", object{"amount": 1999, "currency": "usd", "paymentMethod": "pm_card_visa", "captureMethod": "manual", "confirm": true})
	o.fed(t)

	o.server.Kill()
	killed := time.Now()
	gateway.Eventually(t, 5*time.Second, "users are read from the standby", func() bool {
		a := o.within(t, 4*time.Second, "GET", "/api/users/"+ada.Text("id"), nil)
		return a.Status == 200 && a.Header.Get("X-Data-Source") == "standby"
	})
	t.Logf("users are read again after %s", time.Since(killed).Round(time.Millisecond))
	o.reads(t, ada, gone)
	one := o.accepts(t, before, waiting)
	o.refuses(t)

	o.Kill()
	o.Restart(t) // without its database
	if again := o.do(t, "POST", "/api/emails", emailBody("one"), gateway.Key("one")); again.Text("id") != one {
		t.Errorf("the key after a restart: got %s, want %s", again.Text("id"), one)
	}
	two := o.do(t, "POST", "/api/emails", largeEmail("two"), gateway.Key("two")).Text("id")
	if o.spooled(t, "held") != 5 { // before, one, its keyless twin, two, the event
		t.Errorf("got %s, want 5", o.AskAsOperator(t, "/admin/storage").Body)
	}
	changed := o.do(t, "POST", "/api/emails", emailBody("changed"), gateway.Key("other"))

	o.server.Restart(t)
	back := time.Now()
	gateway.Eventually(t, 10*time.Second, "the spool is empty", func() bool { return o.spooled(t, "held") == 0 })
	t.Logf("all is in the database %s after its return", time.Since(back).Round(time.Millisecond))
	for name, id := range map[string]string{"before": before.Text("id"), "one": one, "two": two, "other": other.Text("id")} {
		gateway.Eventually(t, 10*time.Second, name+" goes out", func() bool { return o.copies(t, id) > 0 })
		body := emailBody(name)
		if name == "two" {
			body = largeEmail(name)
		}
		again := o.do(t, "POST", "/api/emails", body, gateway.Key(name))
		if n := o.copies(t, id); n != 1 || again.Text("id") != id || again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %d copies; its key stands for %s, not %s, want 1, Idempotency-Replayed true", name, n, again.Text("id"), id)
		}
	}
	o.wantFileSent(t, two)
	gateway.Eventually(t, 10*time.Second, "the event has its effect", func() bool {
		return o.do(t, "GET", "/api/payments/"+waiting.Text("id"), nil).Text("status") == "canceled"
	})
	if a := o.do(t, "GET", "/api/users/"+ada.Text("id"), nil); a.Status != 200 || a.Header.Get("X-Data-Source") != "" {
		t.Errorf("%d from %q, want 200, no X-Data-Source", a.Status, a.Header.Get("X-Data-Source"))
	}
	// A different email under the key of one that was sent is neither lost nor sent.
	if changed.Text("id") != other.Text("id") || o.spooled(t, "refused") != 1 || !strings.Contains(o.Log(), "something else under this name") {
		t.Errorf("got %s, want the id of the first email, one refused record and a line in the log: %s", changed.Body, o.AskAsOperator(t, "/admin/storage").Body)
	}
}

func (o *outage) reads(t *testing.T, ada, gone gateway.Answer) {
	t.Helper()
	path := "/api/users/" + ada.Text("id")
	a := o.within(t, time.Second, "GET", path, nil)
	if asOf, err := time.Parse(time.RFC3339Nano, a.Header.Get("X-Data-As-Of")); err != nil || time.Since(asOf) > time.Minute || a.Text("name") != "Ada" {
		t.Errorf("got %v, %s, want a copy of the last %v with the name Ada", a.Header, a.Body, time.Minute)
	}
	for name, want := range map[string]int{path: 200, "/api/users?email=ADA@example.com": 200, "/api/users": 200, "/api/users/" + gone.Text("id"): 404} {
		if a := o.within(t, time.Second, "GET", name, nil); a.Status != want || a.Header.Get("X-Data-Source") != "standby" || want == 200 && !strings.Contains(string(a.Body), ada.Text("id")) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := o.within(t, time.Second, "GET", path, nil, gateway.Header{"Patchbay-Consistency": "strong"}); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("who wants what is certain: %d", a.Status)
	}
	unknown := gateway.Header{"Authorization": "Bearer pb_live_0_0"}
	if a := o.Do(t, "GET", path, nil, unknown); a.Status == 200 {
		t.Errorf("a key that is not known: got %d, want status other than 200", a.Status)
	}
}

// accepts checks that an email and an event are accepted without the database.
func (o *outage) accepts(t *testing.T, before, waiting gateway.Answer) (id string) {
	t.Helper()
	first := o.within(t, 3*time.Second, "POST", "/api/emails", emailBody("one"), gateway.Key("one"))
	again := o.within(t, time.Second, "POST", "/api/emails", emailBody("one"), gateway.Key("one"))
	if first.Status != 202 || again.Status != 202 || first.Text("id") != again.Text("id") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s, then %d %s, want 202, id %v, Idempotency-Replayed true", first.Status, first.Body, again.Status, again.Body, again.Text("id"))
	}
	o.do(t, "POST", "/api/emails", emailBody("another"), gateway.Key("one")).HasStatus(t, 422, "another message under this key")
	o.do(t, "POST", "/api/emails", emailBody("without a key")).HasStatus(t, 202, "without a key")
	if a := o.do(t, "POST", "/api/emails", emailBody("before"), gateway.Key("before")); a.Status != 202 || a.Text("id") != before.Text("id") {
		t.Errorf("a key from before: got %d %s, not %s, want 202", a.Status, a.Text("id"), before.Text("id"))
	}
	if a := o.do(t, "GET", "/api/emails/"+first.Text("id"), nil); a.Status != 200 || a.Text("status") != "queued" {
		t.Errorf("got %d %s, want 200, queued", a.Status, a.Body)
	}
	o.do(t, "POST", "/api/emails/"+first.Text("id")+"/cancel", object{}).HasStatus(t, 503, "cancel of a message in the spool")
	canceled := event("evt_outage", "payment_intent.canceled", intent(waiting.Text("providerReference"), "canceled", 0))
	for range 2 {
		deliver(t, o.Gateway, canceled, time.Now()).HasStatus(t, 200, "an event")
	}
	return first.Text("id")
}

// refuses checks that payments and changes of users are refused at once.
func (o *outage) refuses(t *testing.T) {
	t.Helper()
	for path, body := range map[string]object{"/api/payments": pay("pm_card_visa", nil), "/api/users": {"email": "new@example.com"}} {
		if a := o.within(t, time.Second, "POST", path, body); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want %d, a Retry-After", path, a.Status, a.Body, http.StatusServiceUnavailable)
		}
	}
	if a := o.Do(t, "GET", "/readyz", nil); a.Status != 200 || a.Text("status") != "degraded" {
		t.Errorf("got %d %s, want 200, degraded", a.Status, a.Body)
	}
	out, err := o.Command(t, append([]string{"storage", "status"}, o.Args...)...).Output()
	if err != nil || !strings.Contains(string(out), "postgres (postgres)  unavailable") || !strings.Contains(string(out), "4 held") {
		t.Errorf("got %v, want \"postgres (postgres)  unavailable\" in it, \"4 held\" in it:\n%s", err, out)
	}
}
