package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"patchbay/tests/gateway"
)

// minFaultTime is the shortest time that a fault lasts: longer than any request may wait, so that no
// request succeeds only because the fault ends.
const minFaultTime = deadline + more + time.Second

// faultTime returns how long each fault lasts, and whether all of them are tried: those that are not
// thorough only, unless PATCHBAY_CHAOS_SICK is set.
func faultTime(t *testing.T) (d time.Duration, all bool) {
	t.Helper()
	text := os.Getenv("PATCHBAY_CHAOS_SICK")
	if text == "" {
		return minFaultTime, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return max(d, minFaultTime), true
}

// fault is a disturbance of the connection to a database.
type fault struct {
	name     string
	toxics   []string
	thorough bool // only tried in long runs, because another fault is similar
	repeats  bool // it is applied again and again, to other connections
	ends     bool // the server ends all connections again and again
	silent   bool // the database does not answer, so callers are answered within deadline
	blocks   bool // no request that needs the database can succeed
	loses    bool // answers to executed statements are lost
}

var faults = []fault{
	{name: "silence after execution", silent: true, blocks: true, loses: true, toxics: []string{
		`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
	}},
	{name: "silence", thorough: true, silent: true, blocks: true, toxics: []string{
		`{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`,
		`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
	}},
	{name: "latency of 2 s, give or take 1", toxics: []string{
		`{"type": "latency", "attributes": {"latency": 2000, "jitter": 1000}}`,
	}},
	{name: "every connection is reset at the next answer", thorough: true, blocks: true, loses: true, toxics: []string{
		`{"type": "reset_peer", "attributes": {"timeout": 0}}`,
	}},
	{name: "half of the connections are reset at the next answer", repeats: true, loses: true, toxics: []string{
		`{"type": "reset_peer", "toxicity": 0.5, "attributes": {"timeout": 0}}`,
	}},
	{name: "answers are cut off after 3,000 bytes", loses: true, toxics: []string{
		`{"type": "limit_data", "attributes": {"bytes": 3000}}`,
	}},
	{name: "connections that end are slow to close", ends: true, toxics: []string{
		`{"type": "slow_close", "attributes": {"delay": 5000}}`,
	}},
}

// TestAFaultyDatabase disturbs the connection to a working database in one way after another. No
// request waits for long, nothing that was answered 2xx is lost or duplicated, and afterwards the
// gateway works as before.
func TestAFaultyDatabase(t *testing.T) {
	t.Parallel()
	w := startFaultyDatabase(t, "pool: {max: 10}")
	stop := w.load(t)
	w.waitForAnswers(t, 60)
	stop()
	idleGoroutines := w.idleGoroutines(t)
	_, all := faultTime(t)
	for _, f := range faults {
		if all || !f.thorough {
			w.runFault(t, f, idleGoroutines)
		}
	}
	w.reconcile(t)
}

// runFault applies a fault for a while under load, and checks that it had an effect and is over.
func (w *faultyDatabase) runFault(t *testing.T, f fault, idleGoroutines int) {
	t.Helper()
	admin := w.server.Connect(t, w.database)
	long, _ := faultTime(t)
	stop := w.load(t)
	w.waitForAnswers(t, 60)
	lost := w.lost(t)
	w.proxy.addToxics(t, f.toxics...)
	w.setFault(f)
	began := time.Now()
	wave := began
	gateway.Eventually(t, time.Hour, "the fault has lasted long enough", func() bool {
		if time.Since(wave) > repeatFaultEvery {
			wave = time.Now()
			if f.repeats {
				w.proxy.removeToxics()
				w.proxy.addToxics(t, f.toxics...)
			}
			if f.ends {
				w.end(t, admin)
			}
		}
		return time.Since(began) > long
	})
	w.proxy.removeToxics()
	healed, users := time.Now(), w.promises.of("/api/users")
	gateway.Eventually(t, 10*time.Second, "service is back after "+f.name, func() bool { return w.promises.of("/api/users") > users })
	back := time.Since(healed)
	stop()
	tally := w.setFault(fault{})
	lost = w.lost(t) - lost
	t.Logf("%s: %d answered 2xx, %d 503, %d answers of the database lost; the longest took %s, of payments %s; back after %s; %d goroutines, %d before",
		f.name, tally.done, tally.refused, lost, tally.longest.Round(time.Millisecond), tally.longestPayment.Round(time.Millisecond),
		back.Round(time.Millisecond), w.waitForGoroutines(t, idleGoroutines), idleGoroutines)
	if tally.refused == 0 && lost == 0 || f.blocks && tally.refused == 0 || f.loses && lost == 0 {
		t.Errorf("%s: got %d refused requests and %d lost answers, want an effect of the fault", f.name, tally.refused, lost)
	}
	if f.blocks && tally.mail == 0 {
		t.Errorf("%s: got no accepted email, want some", f.name)
	}
}

// repeatFaultEvery is how often a fault that repeats is applied.
const repeatFaultEvery = 300 * time.Millisecond

// end makes the server end the gateway's connections.
func (w *faultyDatabase) end(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'patchbay'")
	if err != nil {
		t.Error(err)
	}
}

// TestEveryConnectionIsTaken lets a few blocked queries use all connections. No other request waits
// long for one, and the health check succeeds.
func TestEveryConnectionIsTaken(t *testing.T) {
	t.Parallel()
	w := startFaultyDatabase(t, "pool: {min: 1, max: 2}")
	kept := w.Do(t, "POST", "/api/emails", map[string]any{"to": []string{"ada@example.com"}, "subject": "kept", "text": "Hello"}).Text("id")
	lock := w.server.Connect(t, w.database)
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE patchbay_person IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	long, _ := faultTime(t)
	slept := make(chan error, 1)
	go func() {
		_, err := lock.Exec(context.Background(), fmt.Sprintf("SELECT pg_sleep(%f); COMMIT", long.Seconds()))
		slept <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 { // a read of a user waits for the lock and holds a connection
		all.Go(func() {
			for ctx.Err() == nil {
				w.ask(ctx, t, http.MethodGet, "/api/users/"+w.changers[0].id, "")
			}
		})
	}
	refused := 0
	for waiting := true; waiting; {
		select {
		case err := <-slept:
			waiting = false
			if err != nil {
				t.Error(err)
			}
		default:
		}
		for path, limit := range map[string]time.Duration{"/api/emails/" + kept: 2 * time.Second, "/healthz": time.Second} {
			began := time.Now()
			a := w.Do(t, "GET", path, nil)
			if took := time.Since(began); took > limit || a.Status != 200 && a.Status != 503 || a.Status == 503 && a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: got %d %s after %s, want 200, or 503 with Retry-After, within %s", path, a.Status, a.Body, took, limit)
			}
			if a.Status == http.StatusServiceUnavailable {
				refused++
			}
		}
	}
	cancel()
	all.Wait()
	if refused == 0 {
		t.Error("got no 503, want one: the connections were not all taken")
	}
	gateway.Eventually(t, 10*time.Second, "users are read again", func() bool { return w.Do(t, "GET", "/api/users/"+w.changers[0].id, nil).Status == 200 })
}
