package e2e_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/mongod"
	"patchbay/tests/postgres"
)

// movingGateway is a gateway that uses one of four stores and requires API keys.
type movingGateway struct {
	*gateway.Gateway
	key     gateway.Header
	environ []string
	asked   []request // those under keys
	read    map[string]string
	held    string // a payment that is not captured
	later   string // an email that is not due
}

// request is a request under an idempotency key, and its answer.
type request struct {
	path, key string
	body      object
	answer    gateway.Answer
}

func newMover(t *testing.T) *movingGateway {
	t.Helper()
	server := postgres.Shared(t)
	u, err := url.Parse(mongod.URI(t))
	if err != nil {
		t.Fatal(err)
	}
	m := &movingGateway{Gateway: gateway.Configured(t, fmt.Sprintf(`
auth: {mode: required}
providers:
  first: {type: sqlite, path: data/first/patchbay.db}
  postgres: {type: postgres, host: 127.0.0.1, port: %d, database: %s, username: %s, ssl: false}
  mongo: {type: mongo, host: %s, port: %s, database: %s, ssl: false}
  last: {type: sqlite, path: data/last/patchbay.db}
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
  catcher: {type: catcher, keep: 1000000}
`, server.Port, server.Database(t), postgres.Username, u.Hostname(), u.Port(), mongod.Database()), "MOCK_WEBHOOK_SECRET="+gateway.Secret)}
	m.environ = m.Env
	return m
}

// on selects the store that the gateway uses.
func (m *movingGateway) on(store string) {
	m.Env = append(m.environ[:len(m.environ):len(m.environ)], "PATCHBAY_STORAGE__PROVIDER="+store)
}

func (m *movingGateway) do(t *testing.T, method, path string, body any, headers ...gateway.Header) gateway.Answer {
	t.Helper()
	return m.Do(t, method, path, body, append(headers, m.key)...)
}

// ask makes a request under an idempotency key.
func (m *movingGateway) ask(t *testing.T, path, key string, body object) gateway.Answer {
	t.Helper()
	a := m.do(t, "POST", path, body, gateway.Key(key))
	if a.Status >= 300 && a.Status != 402 {
		t.Fatalf("%s: got %d %s, want 2xx or 402", key, a.Status, a.Body)
	}
	m.asked = append(m.asked, request{path, key, body, a})
	return a
}

// command runs a command, and returns both of its outputs.
func (m *movingGateway) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := m.Command(t, append(args, m.Args...)...).CombinedOutput()
	return string(out), err
}

// moved copies a store, and checks that both are equal.
func (m *movingGateway) moved(t *testing.T, from, to string) {
	t.Helper()
	out, err := m.command(t, "storage", "copy", "--from", from, "--to", to)
	if err != nil || !strings.Contains(out, "the two are equal") {
		t.Fatalf("%s to %s: got %v, want \"the two are equal\" in it:\n%s", from, to, err, out)
	}
	sums := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 4 && len(f[3]) == 64 {
			if before, twice := sums[f[0]]; twice && before != f[2]+f[3] {
				t.Errorf("%s: got the sums %s and %s, want the same in both stores", f[0], before, f[2]+f[3])
			}
			sums[f[0]] = f[2] + f[3]
		}
	}
	if len(sums) != 3 {
		t.Errorf("%s to %s, want 3 sums:\n%s", from, to, out)
	}
}

// refused checks that a copy is refused.
func (m *movingGateway) refused(t *testing.T, from, to, why string) {
	t.Helper()
	if out, err := m.command(t, "storage", "copy", "--from", from, "--to", to); err == nil || !strings.Contains(out, why) {
		t.Errorf("%s to %s: %v, it does not say %q, want an error:\n%s", from, to, err, why, out)
	}
}

var eve = object{"email": "eve@example.com"}

// fill stores objects of every kind.
func (m *movingGateway) fill(t *testing.T) {
	t.Helper()
	ada := m.ask(t, "/api/users", "ada", object{"email": "ada@example.com", "name": "Ada Łovelace 李", "metadata": object{"plan": "free", "a.b": "$c"}})
	gone := m.do(t, "POST", "/api/users", eve, gateway.Key("eve"))
	m.ask(t, "/api/users", "bob", object{"email": "bob@example.com", "name": "Bob"})
	m.do(t, "PATCH", "/api/users/"+ada.Text("id"), object{"email": "countess@example.com", "metadata": object{"plan": "pro"}})
	m.do(t, "DELETE", "/api/users/"+gone.Text("id"), nil)
	m.do(t, "POST", "/api/users", object{"email": "ada@example.com", "name": "another, without a key"})

	paid := m.ask(t, "/api/payments", "paid", pay("pm_card_visa"))
	m.ask(t, "/api/payments/"+paid.Text("id")+"/refunds", "refund", object{"amount": 500})
	m.ask(t, "/api/payments", "declined", pay("pm_card_chargeDeclined"))
	m.held = m.ask(t, "/api/payments", "held", pay("pm_card_visa", object{"captureMethod": "manual"})).Text("id")
	canceled := m.ask(t, "/api/payments", "canceled", pay("pm_card_visa", object{"captureMethod": "manual"}))
	canceledEvent := event("evt_moving", "payment_intent.canceled", intent(canceled.Text("providerReference"), "canceled", 0))
	if a := deliver(t, m.Gateway, canceledEvent, time.Now()); a.Status != 200 {
		t.Fatalf("got %d %s, want 200", a.Status, a.Body)
	}
	m.ask(t, "/api/emails", "mail", emailBody("now"))
	m.ask(t, "/api/emails", "large", object{"to": []string{"ada@example.com"}, "subject": "large", "text": strings.Repeat("é ", 100_000)})
	later := emailBody("later")
	later["sendAt"] = time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	m.later = m.ask(t, "/api/emails", "later", later).Text("id")
	for path, status := range map[string]string{"/api/payments/" + paid.Text("id"): "succeeded", "/api/payments/" + canceled.Text("id"): "canceled"} {
		gateway.Eventually(t, 20*time.Second, path+" is "+status, func() bool { return m.do(t, "GET", path, nil).Text("status") == status })
	}
	for _, r := range m.asked {
		if r.path == "/api/emails" && r.key != "later" {
			gateway.Eventually(t, 20*time.Second, r.key+" is sent", func() bool {
				return m.do(t, "GET", "/api/emails/"+r.answer.Text("id"), nil).Text("status") == "sent"
			})
		}
	}
}

func (m *movingGateway) get(t *testing.T, path string) string {
	t.Helper()
	a := m.do(t, "GET", path, nil)
	return fmt.Sprint(a.Status, " ", a.Header.Get("ETag"), " ", string(a.Body))
}

// answers returns the answers to all reads.
func (m *movingGateway) answers(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	get := func(path string) gateway.Answer {
		all[path] = m.get(t, path)
		return m.do(t, "GET", path, nil)
	}
	for _, list := range []string{"/api/users", "/api/payments", "/api/emails"} {
		for _, one := range get(list).Data() {
			get(fmt.Sprintf("%s/%s", list, one["id"]))
			if list == "/api/payments" {
				get(fmt.Sprintf("%s/%s/refunds", list, one["id"]))
			}
		}
	}
	get("/api/users?email=countess@example.com")
	get("/api/users?email=eve@example.com")
	for path := "/api/events"; ; {
		next := get(path).Text("nextCursor")
		if next == "" || all["/api/events?cursor="+next] != "" {
			break
		}
		path = "/api/events?cursor=" + next
	}
	return all
}

// asBefore checks that all reads are answered as before, and that repeats are replayed.
func (m *movingGateway) asBefore(t *testing.T) {
	t.Helper()
	charges := len(m.Charges(t))
	for path, want := range m.read {
		if now := m.get(t, path); now != want {
			t.Errorf("%s: %s\nwas %s", path, now, want)
		}
	}
	for _, r := range m.asked {
		again := m.do(t, "POST", r.path, r.body, gateway.Key(r.key))
		if again.Status != r.answer.Status || again.Header.Get("Idempotency-Replayed") != "true" || again.Text("id") != r.answer.Text("id") {
			t.Errorf("%s again: got %d %s, want Idempotency-Replayed true, id %v:\nwas %d %s", r.key, again.Status, again.Body, r.answer.Text("id"), r.answer.Status, r.answer.Body)
		}
	}
	if a := m.do(t, "POST", "/api/users", eve, gateway.Key("eve")); a.Code() != "user_deleted" {
		t.Errorf("the key of a user who is deleted: got %d %s, want code user_deleted", a.Status, a.Body)
	}
	if n := len(m.Charges(t)); n != charges {
		t.Errorf("got %d charges, want %d", n, charges)
	}
	m.do(t, "GET", "/api/users", nil, gateway.Header{}).HasStatus(t, 200, "a request with the API key after the move")
}

func (m *movingGateway) stop(t *testing.T) {
	t.Helper()
	if err := m.Stop(); err != nil {
		t.Fatalf("%v\n%s", err, m.Log())
	}
}

// TestEverythingMovesFromStoreToStore moves everything from a file to two servers and into another
// file. Callers notice nothing.
func TestEverythingMovesFromStoreToStore(t *testing.T) {
	t.Parallel()
	m := newMover(t)
	m.on("first")
	m.key = m.FirstKey(t)
	m.Restart(t)
	m.fill(t)
	m.refused(t, "first", "postgres", "stop the gateway that runs on it first")
	m.read = m.answers(t)
	m.stop(t)

	m.moved(t, "first", "postgres")
	m.moved(t, "first", "postgres") // as often as one likes
	m.notServed(t, `it was moved to "postgres"`)
	m.refused(t, "mongo", "postgres", "there is no store: mongo ")
	m.on("mongo")
	if out, err := m.command(t, "storage", "create"); err != nil { // which can still be copied into
		t.Fatal(out)
	}
	m.refused(t, "mongo", "postgres", `it is a copy of "first"`)
	m.on("postgres")
	m.Restart(t)
	m.asBefore(t)
	m.refused(t, "first", "postgres", "it is in use, or was")

	// Once while a gateway uses the store, and once without.
	late, changed := m.moveUnderLoad(t, "postgres", "mongo")
	m.stop(t)
	t.Logf("%d users came meanwhile; it took notice: %v", len(late), changed)
	if changed {
		m.unusable(t, "mongo", "postgres")
	}
	m.moved(t, "postgres", "mongo")
	m.on("mongo")
	m.Restart(t)
	// By now there are more users and events, so their lists differ.
	maps.DeleteFunc(m.read, func(path, _ string) bool { return path == "/api/users" || strings.HasPrefix(path, "/api/events") })
	m.asBefore(t)
	for _, id := range late {
		if a := m.do(t, "GET", "/api/users/"+id, nil); a.Status != 200 {
			t.Errorf("%s, who was accepted: got %d, want 200", id, a.Status)
		}
	}
	m.read = m.answers(t)
	m.stop(t)

	m.moved(t, "mongo", "last")
	m.on("last")
	m.Restart(t)
	m.asBefore(t)
	m.goesOn(t)
}

// moveUnderLoad copies a store while users are created. It returns their ids, and whether the copy
// noticed.
func (m *movingGateway) moveUnderLoad(t *testing.T, from, to string) (ids []string, changed bool) {
	t.Helper()
	end := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := range 50 { // FerretDB takes the longer for each the more there are
			select {
			case <-end:
				return
			case <-tick.C:
			}
			if a := m.do(t, "POST", "/api/users", object{"email": fmt.Sprintf("late%d@example.com", i)}); a.Status == 201 {
				ids = append(ids, a.Text("id"))
			}
		}
	})
	out, err := m.command(t, "storage", "copy", "--from", from, "--to", to)
	close(end)
	load.Wait()
	if err != nil && !strings.Contains(out, "the source has changed meanwhile. Run this again") {
		t.Errorf("%v\n%s", err, out)
	}
	return ids, err != nil
}

// unusable checks that the gateway does not start on an unfinished copy.
func (m *movingGateway) unusable(t *testing.T, store, of string) {
	t.Helper()
	m.on(store)
	m.notServed(t, `it is an unfinished copy of "`+of+`"`)
}

// notServed checks that the gateway does not start on the store that was moved.
func (m *movingGateway) notServed(t *testing.T, why string) {
	t.Helper()
	for _, command := range [][]string{{"serve"}, {"keys", "list"}} {
		if out, err := m.command(t, command...); err == nil || !strings.Contains(out, why) {
			t.Errorf("%v: got %v, want an error, %q in it:\n%s", command, err, why, out)
		}
	}
}

// goesOn checks that operations begun on the first store are completed on the last.
func (m *movingGateway) goesOn(t *testing.T) {
	t.Helper()
	if a := m.do(t, "POST", "/api/payments/"+m.held+"/capture", object{}); a.Status != 200 || a.Text("status") != "succeeded" {
		t.Errorf("a capture: got %d %s, want 200, succeeded", a.Status, a.Body)
	}
	if a := m.do(t, "POST", "/api/emails/"+m.later+"/cancel", object{}); a.Status != 200 || a.Text("status") != "canceled" {
		t.Errorf("a cancellation: got %d %s, want 200, canceled", a.Status, a.Body)
	}
	m.ask(t, "/api/users", "new", object{"email": "new@example.com"}).HasStatus(t, 201)
	one, err := os.ReadFile(filepath.Join(m.Dir, "data", "first", "installation.json"))
	for _, dir := range []string{"data", "data/last"} {
		other, err2 := os.ReadFile(filepath.Join(m.Dir, dir, "installation.json"))
		if err != nil || err2 != nil || string(one) != string(other) {
			t.Errorf("%s has other secrets: got %v, %v, want one %v", dir, err, err2, string(other))
		}
	}
}

// TestAStoreThatWasMovedIsServedFromAgain checks that a move made by mistake can be reversed, and
// that the copy is not served from then on.
func TestAStoreThatWasMovedIsServedFromAgain(t *testing.T) {
	t.Parallel()
	m := &movingGateway{Gateway: gateway.Configured(t, `
providers:
  first: {type: sqlite, path: data/first/patchbay.db}
  last: {type: sqlite, path: data/last/patchbay.db}
`)}
	m.environ = m.Env
	m.on("first")
	m.Restart(t)
	paid := m.ask(t, "/api/payments", "paid", pay("pm_card_visa"))
	m.stop(t)
	m.moved(t, "first", "last")
	m.notServed(t, "patchbay storage reopen")
	if out, err := m.command(t, "storage", "reopen"); err != nil || !strings.Contains(out, "it can be served from again; never serve from last beside it") {
		t.Fatalf("got %v, want \"it can be served from again; never serve from last beside it\" in it:\n%s", err, out)
	}
	m.Restart(t)
	m.Do(t, "GET", "/api/payments/"+paid.Text("id"), nil).HasStatus(t, 200)
	m.stop(t)
	m.unusable(t, "last", "first")
	m.moved(t, "first", "last")
	m.on("last")
	m.Restart(t)
	m.stop(t)
	m.on("first")
	if out, err := m.command(t, "storage", "reopen"); err == nil || !strings.Contains(out, `"last" has been served from`) {
		t.Errorf("got %v, want an error, \"last\" has been served from in it:\n%s", err, out)
	}
	if out, err := m.command(t, "storage", "reopen", "--force"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	m.Restart(t)
}
