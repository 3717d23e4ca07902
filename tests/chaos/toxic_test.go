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

// spell is how long the database suffers from a fault at the least: longer than anybody
// may wait, so that nobody is saved by the end of it.
const spell = deadline + more + time.Second

// sickness says how long it suffers from each, and whether it has all of them: one of
// each sort where PATCHBAY_CHAOS_SICK does not say how long.
func sickness(t *testing.T) (d time.Duration, all bool) {
	t.Helper()
	text := os.Getenv("PATCHBAY_CHAOS_SICK")
	if text == "" {
		return spell, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return max(d, spell), true
}

// fault is something that befalls the way to a database.
type fault struct {
	name   string
	toxics []string
	again  bool // one of its sort is there already
	waves  bool // it comes anew all the time, on other connections
	ends   bool // the server ends connections all the time
	hole   bool // nothing gets an answer: everything is answered within deadline
	dead   bool // nothing that needs the database can be done
	loses  bool // answers to what was done
}

var faults = []fault{
	{name: "a black hole that takes the answers", hole: true, dead: true, loses: true, toxics: []string{
		`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
	}},
	{name: "a black hole that takes everything", again: true, hole: true, dead: true, toxics: []string{
		`{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`,
		`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
	}},
	{name: "latency of 2 s, give or take 1", toxics: []string{
		`{"type": "latency", "attributes": {"latency": 2000, "jitter": 1000}}`,
	}},
	{name: "every connection is reset at the next answer", again: true, dead: true, loses: true, toxics: []string{
		`{"type": "reset_peer", "attributes": {"timeout": 0}}`,
	}},
	{name: "half of the connections are reset at the next answer", waves: true, loses: true, toxics: []string{
		`{"type": "reset_peer", "toxicity": 0.5, "attributes": {"timeout": 0}}`,
	}},
	{name: "answers are cut off after 3,000 bytes", loses: true, toxics: []string{
		`{"type": "limit_data", "attributes": {"bytes": 3000}}`,
	}},
	{name: "connections that end are slow to close", ends: true, toxics: []string{
		`{"type": "slow_close", "attributes": {"delay": 5000}}`,
	}},
}

// TestASickDatabase disturbs the connection to a working database in one way after another. No
// request waits for long, nothing that was answered 2xx is lost or duplicated, and afterwards the
// gateway works as before.
func TestASickDatabase(t *testing.T) {
	t.Parallel()
	w := startWard(t, "pool: {max: 10}")
	stop := w.load(t)
	w.answered(t, 60)
	stop()
	level := w.level(t)
	_, all := sickness(t)
	for _, f := range faults {
		if all || !f.again {
			w.befalls(t, f, level)
		}
	}
	w.reconcile(t)
}

// befalls lets the database suffer from a fault for a while.
func (w *ward) befalls(t *testing.T, f fault, level int) {
	t.Helper()
	admin := w.server.Connect(t, w.database)
	long, _ := sickness(t)
	stop := w.load(t)
	w.answered(t, 60)
	lost := w.lost(t)
	w.way.sicken(t, f.toxics...)
	w.suffers(f)
	began := time.Now()
	wave := began
	gateway.Eventually(t, time.Hour, "it was sick for long enough", func() bool {
		if time.Since(wave) > waveEvery {
			wave = time.Now()
			if f.waves {
				w.way.heal()
				w.way.sicken(t, f.toxics...)
			}
			if f.ends {
				w.end(t, admin)
			}
		}
		return time.Since(began) > long
	})
	w.way.heal()
	healed, users := time.Now(), w.promises.of("/api/users")
	gateway.Eventually(t, 10*time.Second, "service is back after "+f.name, func() bool { return w.promises.of("/api/users") > users })
	back := time.Since(healed)
	stop()
	toll := w.suffers(fault{})
	lost = w.lost(t) - lost
	t.Logf("%s: %d answered 2xx, %d 503, %d answers of the database lost; the longest took %s, of payments %s; back after %s; %d goroutines, %d before",
		f.name, toll.done, toll.refused, lost, toll.longest.Round(time.Millisecond), toll.longestPayment.Round(time.Millisecond),
		back.Round(time.Millisecond), w.calm(t, level), level)
	if toll.refused == 0 && lost == 0 || f.dead && toll.refused == 0 || f.loses && lost == 0 {
		t.Errorf("%s: %d refused, %d answers lost: it was not felt", f.name, toll.refused, lost)
	}
	if f.dead && toll.mail == 0 {
		t.Errorf("%s: no email was taken", f.name)
	}
}

// waveEvery is how often a fault comes anew.
const waveEvery = 300 * time.Millisecond

// end lets the server end the gateway's connections.
func (w *ward) end(t *testing.T, admin *pgx.Conn) {
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
	w := startWard(t, "pool: {min: 1, max: 2}")
	kept := w.Do(t, "POST", "/api/emails", map[string]any{"to": []string{"ada@example.com"}, "subject": "kept", "text": "Hello"}).Text("id")
	lock := w.server.Connect(t, w.database)
	if _, err := lock.Exec(t.Context(), "BEGIN; LOCK TABLE patchbay_person IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	long, _ := sickness(t)
	slept := make(chan error, 1)
	go func() {
		_, err := lock.Exec(context.Background(), fmt.Sprintf("SELECT pg_sleep(%f); COMMIT", long.Seconds()))
		slept <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 { // whoever wants a user waits for the lock, with a connection in hand
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
				t.Errorf("%s after %s: %d %s", path, took, a.Status, a.Body)
			}
			if a.Status == http.StatusServiceUnavailable {
				refused++
			}
		}
	}
	cancel()
	all.Wait()
	if refused == 0 {
		t.Error("nobody was refused: the connections were not all taken")
	}
	gateway.Eventually(t, 10*time.Second, "users are read again", func() bool { return w.Do(t, "GET", "/api/users/"+w.changers[0].id, nil).Status == 200 })
}
