package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

const (
	beyondLeases = 50 * time.Second // longer than any lease of a gateway
	patience     = 2 * time.Second  // how long a client waits for a gateway that does not answer
	// settling is longer than the waits before the first three lookups of an unknown outcome.
	settling = 8 * time.Minute
)

// fleet is several gateways on one database.
type fleet []*gateway.Gateway

// startFleet starts n gateways on a database, given by its settings.
func startFleet(t *testing.T, n int, database string) fleet {
	t.Helper()
	all := make(fleet, n)
	for i := range all {
		all[i] = gateway.Configured(t, fmt.Sprintf(`
storage: {provider: database}
providers:
  database: %s
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
  catcher: {type: catcher, keep: 1000000}
`, database), "MOCK_WEBHOOK_SECRET="+gateway.Secret)
		if i > 0 { // they share the secrets of the installation
			share(t, all[0], all[i])
		}
		all[i].Restart(t)
	}
	return all
}

func share(t *testing.T, from, to *gateway.Gateway) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(from.Dir, "data", "installation.json"))
	if err == nil {
		err = os.MkdirAll(filepath.Join(to.Dir, "data"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to.Dir, "data", "installation.json"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// client does what the function client does, at any gateway of the fleet. It stops waiting for one
// that does not answer.
func (f fleet) client(ctx context.Context, t *testing.T, path string, id, of int, p *promises) {
	for n := id; ctx.Err() == nil; n += of {
		key := fmt.Sprint("key-", n)
		for ctx.Err() == nil {
			g := f[rand.IntN(len(f))]
			waiting, cancel := context.WithTimeout(ctx, patience)
			a, err := gateway.Send(waiting, http.MethodPost, g.Base+path, []byte(body(path, n)),
				gateway.Header{"Content-Type": "application/json"}, gateway.Key(key))
			cancel()
			if err == nil && a.Status < 300 {
				p.add(path, a.Text("id"), key)
				break
			}
			if err == nil && a.Status != http.StatusConflict && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusTooManyRequests {
				t.Errorf("POST %s under %s: got %d %s, want 2xx, 409, 429 or 503", path, key, a.Status, a.Body)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond): // it is down, or working on the request
			}
		}
	}
}

// load creates objects of every kind, by n clients each, until stop is called.
func (f fleet) load(t *testing.T, p *promises, n int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for path := range bodies {
		for i := range n {
			all.Go(func() { f.client(ctx, t, path, i, n, p) })
		}
	}
	return func() {
		cancel()
		all.Wait()
	}
}

func newPromises() *promises {
	return &promises{kept: map[string]map[string]string{"/api/payments": {}, "/api/emails": {}, "/api/users": {}}}
}

// TestOneOfThreeIsKilledAndOneIsStopped runs three gateways on one database. One is killed, and one
// is stopped for longer than its leases and then continues.
func TestOneOfThreeIsKilledAndOneIsStopped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		database func(t *testing.T) string
		clients  int           // of each kind
		portion  int           // answers between two incidents
		thinks   time.Duration // the longest pause between two requests of a client with a history
	}{
		"on Postgres": {onPostgres, 4, 200, 100 * time.Millisecond},
		"on Mongo":    {func(t *testing.T) string { return gateway.OnMongo(t) }, 1, 15, 600 * time.Millisecond}, // FerretDB executes one command at a time
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFleet(t, 3, c.database(t))
			f.killAndStop(t, c.clients, c.portion, c.thinks)
		})
	}
}

func onPostgres(t *testing.T) string {
	t.Helper()
	server := postgres.Start(t)
	return gateway.OnPostgres(server, server.Database(t))
}

func (f fleet) killAndStop(t *testing.T, clients, portion int, thinks time.Duration) {
	p := newPromises()
	h, end := f.startHistories(t, 4, thinks)
	stop := f.load(t, p, clients)
	more := func(what string, n int, count func() int) {
		t.Helper()
		target := count() + n
		gateway.Eventually(t, time.Minute, what, func() bool { return count() >= target })
	}
	more("enough requests are answered", portion, p.count)
	f[1].Kill()
	f[2].Pause(t)
	paused := time.Now()
	more("the one that is left answers", portion, p.count)
	f[1].Restart(t)
	more("two answer", portion, p.count)
	stop()
	gateway.Eventually(t, beyondLeases+time.Minute, "all leases of the stopped one have run out", func() bool { return time.Since(paused) > beyondLeases })
	f[2].Resume(t)
	more("users are worked on", portion, h.count)
	end()
	h.check(t)
	f.reconcile(t, p)
}

// TestTheDatabaseIsKilledUnderLoad kills the database under load, as a power cut would, and
// restarts it.
func TestTheDatabaseIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	server := postgres.Start(t)
	database := server.Database(t)
	f := startFleet(t, 1, gateway.OnPostgres(server, database))
	p := newPromises()
	stop := f.load(t, p, clients/len(bodies))
	for range 3 {
		target := p.count() + 200
		gateway.Eventually(t, time.Minute, "enough requests are answered", func() bool { return p.count() >= target })
		server.Kill()
		for path, text := range map[string]string{"/api/payments": body("/api/payments", 0), "/api/users": body("/api/users", 0)} {
			asked := time.Now()
			a, err := gateway.Send(t.Context(), http.MethodPost, f[0].Base+path, []byte(text), gateway.Header{"Content-Type": "application/json"})
			if err != nil || a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || time.Since(asked) > 5*time.Second {
				t.Errorf("%s without a database: got %d %s, error %v, after %s, want 503 with Retry-After within 5s", path, a.Status, a.Body, err, time.Since(asked))
			}
		}
		server.Restart(t)
		back := time.Now()
		before := p.of("/api/users") // emails are accepted without the database
		gateway.Eventually(t, 10*time.Second, "service is back", func() bool { return p.of("/api/users") > before })
		t.Logf("answers again after %s", time.Since(back).Round(time.Millisecond))
	}
	stop()
	overdue(t, onServer(server.Connect(t, database)))
	f.reconcile(t, p)
}

// reconcile compares what was answered 2xx with what is stored and with what the mock and the
// catcher did.
func (f fleet) reconcile(t *testing.T, p *promises) {
	t.Helper()
	g := f[0]
	for path, ids := range p.kept {
		byKey := make(map[string]string)
		for id, key := range ids {
			if status := f.status(t, path+"/"+id); status != 200 {
				t.Errorf("GET %s/%s, which was answered 2xx: got %d, want 200", path, id, status)
			}
			if other, twice := byKey[key]; twice {
				t.Errorf("%s: key %s made %s and %s, want one", path, key, id, other)
			}
			byKey[key] = id
		}
	}
	for id := range p.kept["/api/payments"] {
		gateway.Eventually(t, settling, "payment "+id+" succeeds", func() bool {
			return g.Do(t, "GET", "/api/payments/"+id, nil).Text("status") == "succeeded"
		})
	}
	sent := make(map[string]gateway.Answer)
	for id := range p.kept["/api/emails"] {
		gateway.Eventually(t, settling, "email "+id+" goes out", func() bool {
			sent[id] = g.Do(t, "GET", "/api/emails/"+id, nil)
			return sent[id].Text("status") == "sent"
		})
	}
	book := g.Charges(t)
	for id, charges := range book {
		if len(charges) > 1 {
			t.Errorf("payment %s: got %d charges, want at most 1", id, len(charges))
		}
	}
	for id := range p.kept["/api/payments"] {
		if len(book[id]) != 1 {
			t.Errorf("payment %s: got %d charges, want 1", id, len(book[id]))
		}
	}
	twice, all := 0, f.copies(t)
	for id := range p.kept["/api/emails"] {
		copies, shown := all[id], attempts(sent[id], "accepted")+attempts(sent[id], "ambiguous")
		if copies == 0 || copies > shown {
			t.Errorf("email %s went out %d times, want at least once and at most as often as its %d attempts that may have sent it: %s", id, copies, shown, sent[id].Body)
		}
		if copies > 1 {
			twice++
		}
	}
	for _, one := range f {
		if strings.Contains(one.Log(), "panic") {
			t.Errorf("a log has a panic, want none:\n%s", one.Log())
		}
	}
	t.Logf("%d payments, %d emails (%d of them twice, as their attempts say), %d users answered 2xx, all of them stored", len(p.kept["/api/payments"]),
		len(p.kept["/api/emails"]), twice, len(p.kept["/api/users"]))
}

// status returns the status of a read, which is repeated while the database is busy.
func (f fleet) status(t *testing.T, path string) (status int) {
	t.Helper()
	gateway.Eventually(t, time.Minute, path+" is read", func() bool {
		status = f[0].Do(t, "GET", path, nil).Status
		return status != http.StatusServiceUnavailable
	})
	return status
}

// attempts counts the attempts of an email with one outcome. An ambiguous one becomes accepted once
// a process that was stopped continues and has the provider's answer.
func attempts(email gateway.Answer, outcome string) (n int) {
	list, _ := email.JSON["attempts"].([]any)
	for _, v := range list {
		if a, _ := v.(map[string]any); a["outcome"] == outcome {
			n++
		}
	}
	return n
}

// copies counts the files of each email at all catchers.
func (f fleet) copies(t *testing.T) map[string]int {
	t.Helper()
	copies := make(map[string]int)
	for _, g := range f {
		files, err := filepath.Glob(filepath.Join(g.Dir, "data", "mail", "*.eml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".eml")
			copies[name[strings.LastIndexByte(name, '-')+1:]]++
		}
	}
	return copies
}
