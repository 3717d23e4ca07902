package chaos_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/tests/gateway"
	"patchbay/tests/postgres"
)

const (
	callersOfAKind = 3                      // of each kind: payments, emails, users, changes of users, reads
	pace           = 100 * time.Millisecond // between two requests of a caller
)

// How long an answer may take: as long as the policy of the store says, or as long as a payment
// takes at most, and a second more.
const (
	deadline        = 3 * time.Second
	paymentDeadline = 8 * time.Second
	more            = time.Second
)

// faultyDatabase is a gateway whose connection to its database has faults, and its callers.
type faultyDatabase struct {
	*gateway.Gateway
	server   *postgres.Server
	database string
	proxy    dbProxy
	promises *promises
	next     map[string]*atomic.Int64 // the number of the next object, by path
	changers []changer

	mu    sync.Mutex
	fault fault // without a name there is no fault
	since time.Time
	tally tally
}

// tally counts the answers during a fault.
type tally struct {
	done, refused, mail     int
	longest, longestPayment time.Duration
}

// changer is a user whose metadata counts up, with the last answer to a change.
type changer struct {
	id      string
	version int64
	count   int
}

func startFaultyDatabase(t *testing.T, settings string) *faultyDatabase {
	t.Helper()
	w := &faultyDatabase{server: postgres.Start(t), promises: newPromises(), changers: make([]changer, callersOfAKind), next: map[string]*atomic.Int64{}}
	for path := range bodies {
		w.next[path] = new(atomic.Int64)
	}
	w.proxy, w.database = newProxy(t, w.server.Port), w.server.Database(t)
	w.Gateway = gateway.Configured(t, fmt.Sprintf(`
storage: {provider: postgres}
providers:
  postgres: {type: postgres, host: 127.0.0.1, port: %d, database: %s, username: %s, ssl: false, %s}
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
  catcher: {type: catcher, keep: 1000000}
policies:
  payments: {breaker: {open: 1s}} # the mock keeps its charges in the faulty database
`, w.proxy.port(t), w.database, postgres.Username, settings), "MOCK_WEBHOOK_SECRET="+gateway.Secret)
	w.Restart(t)
	for i := range w.changers {
		w.changers[i].id = w.Do(t, "POST", "/api/users", map[string]any{"email": fmt.Sprintf("changer%d@example.com", i)}).Text("id")
	}
	return w
}

// setFault sets the fault from now on, and returns the tally of the time before.
func (w *faultyDatabase) setFault(f fault) tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.tally
	w.fault, w.since, w.tally = f, time.Now(), tally{}
	return before
}

// load makes requests of every kind until stop is called.
func (w *faultyDatabase) load(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range callersOfAKind {
		for path := range bodies {
			all.Go(func() { w.create(ctx, t, path) })
		}
		all.Go(func() { w.change(ctx, t, &w.changers[i]) })
		all.Go(func() { w.read(ctx, t) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// waitForAnswers waits until n more creations are answered 2xx.
func (w *faultyDatabase) waitForAnswers(t *testing.T, n int) {
	t.Helper()
	target := w.promises.count() + n
	gateway.Eventually(t, time.Minute, "enough is answered", func() bool { return w.promises.count() >= target })
}

// create creates one object after another, each under a key of its own, and repeats each until it
// is answered 2xx.
func (w *faultyDatabase) create(ctx context.Context, t *testing.T, path string) {
	for ctx.Err() == nil {
		n := int(w.next[path].Add(1))
		key := fmt.Sprint("key-", n)
		for ctx.Err() == nil {
			a, ok := w.ask(ctx, t, http.MethodPost, path, body(path, n), gateway.Key(key))
			if ok && a.Status < 300 {
				w.promises.add(path, a.Text("id"), key)
				break
			}
		}
	}
}

// change increases the count of a user, and repeats each change until it is answered.
func (w *faultyDatabase) change(ctx context.Context, t *testing.T, c *changer) {
	for ctx.Err() == nil {
		a, ok := w.ask(ctx, t, http.MethodPatch, "/api/users/"+c.id, fmt.Sprintf(`{"metadata":{"count":"%d"}}`, c.count+1))
		if !ok || a.Status != http.StatusOK {
			continue
		}
		c.count++
		if v := a.Number("version"); a.Text("metadata", "count") != strconv.Itoa(c.count) || v <= c.version {
			t.Errorf("%s after a change: got %s, want count %d and a version above %d", c.id, a.Body, c.count, c.version)
		}
		c.version = a.Number("version")
	}
}

// read reads objects that were answered 2xx, the feed, the users and the health check.
func (w *faultyDatabase) read(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		for _, path := range append(w.promises.some(), "/healthz", "/api/events", "/api/users") {
			w.ask(ctx, t, http.MethodGet, path, "")
		}
	}
}

// some returns the path of one object of each kind.
func (p *promises) some() (paths []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, ids := range p.kept {
		for id := range ids { // in random order
			paths = append(paths, path+"/"+id)
			break
		}
	}
	return paths
}

// ask makes one request, checks the answer and waits for a moment. ok is false if there is no answer
// or the test is over.
func (w *faultyDatabase) ask(ctx context.Context, t *testing.T, method, path, body string, headers ...gateway.Header) (gateway.Answer, bool) {
	began := time.Now()
	if body != "" {
		headers = append(headers, gateway.Header{"Content-Type": "application/json"})
	}
	a, err := gateway.Send(ctx, method, w.Base+path, []byte(body), headers...)
	if ctx.Err() != nil {
		return a, false
	}
	if err != nil {
		t.Errorf("%s %s: got error %v, want an answer", method, path, err)
		return a, false
	}
	w.check(t, method, path, began, time.Since(began), a)
	select {
	case <-ctx.Done():
	case <-time.After(pace/2 + rand.N(pace)):
	}
	return a, true
}

// check compares an answer with what is promised while the database is faulty.
func (w *faultyDatabase) check(t *testing.T, method, path string, began time.Time, took time.Duration, a gateway.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pays := method == http.MethodPost && path == "/api/payments"
	limit := deadline + more
	switch {
	case path == "/healthz":
		limit = more
	case w.fault.silent && began.After(w.since):
		limit = deadline
	case pays:
		limit = paymentDeadline + more
	}
	if took > limit {
		t.Errorf("%s: %s %s took %s, want at most %s: %d %s", w.fault.name, method, path, took, limit, a.Status, a.Body)
	}
	switch {
	case a.Status < 300:
		w.tally.done++
		if method == http.MethodPost && path == "/api/emails" {
			w.tally.mail++
		}
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && path != "/healthz":
		w.tally.refused++
	case a.Status == http.StatusConflict && a.Code() == "idempotency_key_in_flight":
	default:
		t.Errorf("%s: %s %s: got %d %s with Retry-After %q, want 2xx, 503 with Retry-After, or a key in flight", w.fault.name, method, path, a.Status, a.Body, a.Header.Get("Retry-After"))
	}
	if pays {
		w.tally.longestPayment = max(w.tally.longestPayment, took)
	} else {
		w.tally.longest = max(w.tally.longest, took)
	}
}

// lost returns how many writes have an unknown outcome, because the answer of the database was lost.
func (w *faultyDatabase) lost(t *testing.T) (n int) {
	t.Helper()
	for _, m := range unknown.FindAllStringSubmatch(string(w.Ask(t, "/metrics").Body), -1) {
		one, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		n += one
	}
	return n
}

var unknown = regexp.MustCompile(`(?m)^patchbay_calls_total\{op="[\w ]+",outcome="unknown_outcome",provider="postgres"\} (\d+)$`)

// waitForGoroutines waits until an idle gateway has no more goroutines than level, besides those of
// connections that the test has left open, and returns how many it has.
func (w *faultyDatabase) waitForGoroutines(t *testing.T, idleGoroutines int) (now int) {
	t.Helper()
	const few = 5 * callersOfAKind
	gateway.Eventually(t, 30*time.Second, fmt.Sprintf("there are %d goroutines again", idleGoroutines), func() bool {
		now = w.goroutines(t)
		return now <= idleGoroutines+few
	})
	return now
}

// idleGoroutines returns how many goroutines an idle gateway has: the fewest within a second.
func (w *faultyDatabase) idleGoroutines(t *testing.T) int {
	t.Helper()
	least, end := math.MaxInt, time.Now().Add(time.Second)
	gateway.Eventually(t, time.Minute, "a second is over", func() bool {
		least = min(least, w.goroutines(t))
		return time.Now().After(end)
	})
	return least
}

func (w *faultyDatabase) goroutines(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(w.Metric(t, "go_goroutines"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reconcile compares what was answered 2xx with what is stored.
func (w *faultyDatabase) reconcile(t *testing.T) {
	t.Helper()
	gateway.Eventually(t, 10*time.Second, "the spool is empty", func() bool { return w.Metric(t, "patchbay_spool_held") == "0" })
	if refused := w.Metric(t, "patchbay_spool_refused"); refused != "0" {
		t.Errorf("records of the spool that the database refused: got %s, want 0", refused)
	}
	overdue(t, onServer(w.server.Connect(t, w.database)))
	fleet{w.Gateway}.reconcile(t, w.promises)
	byEmail := make(map[string]string)
	for cursor := ""; ; {
		page := w.Do(t, "GET", gateway.Page("/api/users?limit=100", cursor), nil)
		for _, u := range page.Data() {
			email, _ := u["email"].(string)
			id, _ := u["id"].(string)
			if other, twice := byEmail[email]; twice {
				t.Errorf("%s is the email of %s and of %s, want one user", email, id, other)
			}
			byEmail[email] = id
		}
		if cursor = page.Text("nextCursor"); cursor == "" {
			break
		}
	}
	for id, key := range w.promises.kept["/api/users"] {
		if email := "u" + strings.TrimPrefix(key, "key-") + "@example.com"; byEmail[email] != id {
			t.Errorf("the user of %s: got %q, want %s", email, byEmail[email], id)
		}
	}
	for _, c := range w.changers {
		u := w.Do(t, "GET", "/api/users/"+c.id, nil)
		if n, err := strconv.Atoi(u.Text("metadata", "count")); err != nil || n != c.count && n != c.count+1 || u.Number("version") < c.version {
			t.Errorf("got %s, want a count of %d or one more, at version %d or later", u.Body, c.count, c.version)
		}
	}
}
