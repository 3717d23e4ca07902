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
	askers = 3                      // of each: who pays, who writes, who signs up, who changes, who reads
	pace   = 100 * time.Millisecond // between what one asks and what it asks next
)

// How long whoever asks may wait: as long as the policy of the store says, or as long
// as a payment takes at the most, and a second more.
const (
	deadline        = 3 * time.Second
	paymentDeadline = 8 * time.Second
	more            = time.Second
)

// ward is a gateway whose database is sick, and those who ask it all the same.
type ward struct {
	*gateway.Gateway
	server   *postgres.Server
	database string
	way      line
	promises *promises
	next     map[string]*atomic.Int64 // by path: number of what is asked for
	changers []changer

	mu    sync.Mutex
	fault fault // nothing is wrong where it has no name
	since time.Time
	toll  toll
}

// toll is what a fault comes to.
type toll struct {
	done, refused, mail     int
	longest, longestPayment time.Duration
}

// changer is a user, and what was last answered of its changes.
type changer struct {
	id      string
	version int64
	count   int
}

func startWard(t *testing.T, settings string) *ward {
	t.Helper()
	w := &ward{server: postgres.Start(t), promises: newPromises(), changers: make([]changer, askers), next: map[string]*atomic.Int64{}}
	for path := range bodies {
		w.next[path] = new(atomic.Int64)
	}
	w.way, w.database = newLine(t, w.server.Port), w.server.Database(t)
	w.Gateway = gateway.Configured(t, fmt.Sprintf(`
storage: {provider: postgres}
providers:
  postgres: {type: postgres, host: 127.0.0.1, port: %d, database: %s, username: %s, ssl: false, %s}
  mock: {type: mock, webhook_secrets: ["${MOCK_WEBHOOK_SECRET}"]}
  catcher: {type: catcher, keep: 1000000}
policies:
  payments: {breaker: {open: 1s}} # the mock has its book in the database that is sick
`, w.way.port(t), w.database, postgres.Username, settings), "MOCK_WEBHOOK_SECRET="+gateway.Secret)
	w.Restart(t)
	for i := range w.changers {
		w.changers[i].id = w.Do(t, "POST", "/api/users", map[string]any{"email": fmt.Sprintf("changer%d@example.com", i)}).Text("id")
	}
	return w
}

// suffers says what is wrong from now on, and returns what it came to before.
func (w *ward) suffers(f fault) toll {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.toll
	w.fault, w.since, w.toll = f, time.Now(), toll{}
	return before
}

// load asks for everything until stop is called.
func (w *ward) load(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range askers {
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

// answered waits for so many new promises.
func (w *ward) answered(t *testing.T, n int) {
	t.Helper()
	target := w.promises.count() + n
	gateway.Eventually(t, time.Minute, "enough is answered", func() bool { return w.promises.count() >= target })
}

// create asks for one thing after another until it is answered, each under a key of
// its own.
func (w *ward) create(ctx context.Context, t *testing.T, path string) {
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

// change counts a user up, again and again until it is answered.
func (w *ward) change(ctx context.Context, t *testing.T, c *changer) {
	for ctx.Err() == nil {
		a, ok := w.ask(ctx, t, http.MethodPatch, "/api/users/"+c.id, fmt.Sprintf(`{"metadata":{"count":"%d"}}`, c.count+1))
		if !ok || a.Status != http.StatusOK {
			continue
		}
		c.count++
		if v := a.Number("version"); a.Text("metadata", "count") != strconv.Itoa(c.count) || v <= c.version {
			t.Errorf("%s was at version %d, and is after its change: %s", c.id, c.version, a.Body)
		}
		c.version = a.Number("version")
	}
}

// read reads what was promised, and asks whether the gateway lives.
func (w *ward) read(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		for _, path := range append(w.promises.some(), "/healthz", "/api/events", "/api/users") {
			w.ask(ctx, t, http.MethodGet, path, "")
		}
	}
}

// some picks one promise of each sort.
func (p *promises) some() (paths []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, ids := range p.kept {
		for id := range ids { // Go begins anywhere
			paths = append(paths, path+"/"+id)
			break
		}
	}
	return paths
}

// ask asks once, at a pace, and judges the answer. It is not ok where the test is over.
func (w *ward) ask(ctx context.Context, t *testing.T, method, path, body string, headers ...gateway.Header) (gateway.Answer, bool) {
	began := time.Now()
	if body != "" {
		headers = append(headers, gateway.Header{"Content-Type": "application/json"})
	}
	a, err := gateway.Send(ctx, method, w.Base+path, []byte(body), headers...)
	if ctx.Err() != nil {
		return a, false
	}
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return a, false
	}
	w.judge(t, method, path, began, time.Since(began), a)
	select {
	case <-ctx.Done():
	case <-time.After(pace/2 + rand.N(pace)):
	}
	return a, true
}

// judge holds an answer against what is promised of a sick database.
func (w *ward) judge(t *testing.T, method, path string, began time.Time, took time.Duration, a gateway.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pays := method == http.MethodPost && path == "/api/payments"
	limit := deadline + more
	switch {
	case path == "/healthz":
		limit = more
	case w.fault.hole && began.After(w.since):
		limit = deadline
	case pays:
		limit = paymentDeadline + more
	}
	if took > limit {
		t.Errorf("%s: %s %s took %s: %d %s", w.fault.name, method, path, took, a.Status, a.Body)
	}
	switch {
	case a.Status < 300:
		w.toll.done++
		if method == http.MethodPost && path == "/api/emails" {
			w.toll.mail++
		}
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" && path != "/healthz":
		w.toll.refused++
	case a.Status == http.StatusConflict && a.Code() == "idempotency_key_in_flight":
	default:
		t.Errorf("%s: %s %s: %d %s, Retry-After %q", w.fault.name, method, path, a.Status, a.Body, a.Header.Get("Retry-After"))
	}
	if pays {
		w.toll.longestPayment = max(w.toll.longestPayment, took)
	} else {
		w.toll.longest = max(w.toll.longest, took)
	}
}

// lost is how many answers of the database were lost of what may have been written.
func (w *ward) lost(t *testing.T) (n int) {
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

// calm waits until a gateway that nobody asks anything has no more goroutines than it
// had, but for one a connection that the test has left open, and returns how many.
func (w *ward) calm(t *testing.T, level int) (now int) {
	t.Helper()
	const few = 5 * askers
	gateway.Eventually(t, 30*time.Second, fmt.Sprintf("there are %d goroutines again", level), func() bool {
		now = w.goroutines(t)
		return now <= level+few
	})
	return now
}

// level is how many goroutines a gateway has that nobody asks anything: the fewest of
// a second.
func (w *ward) level(t *testing.T) int {
	t.Helper()
	least, end := math.MaxInt, time.Now().Add(time.Second)
	gateway.Eventually(t, time.Minute, "a second is over", func() bool {
		least = min(least, w.goroutines(t))
		return time.Now().After(end)
	})
	return least
}

func (w *ward) goroutines(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(w.Metric(t, "go_goroutines"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// reconcile holds what was promised against what is there.
func (w *ward) reconcile(t *testing.T) {
	t.Helper()
	gateway.Eventually(t, 10*time.Second, "the spool is empty", func() bool { return w.Metric(t, "patchbay_spool_held") == "0" })
	if refused := w.Metric(t, "patchbay_spool_refused"); refused != "0" {
		t.Errorf("there are %s in the spool that the database would not take", refused)
	}
	overdue(t, onServer(w.server.Connect(t, w.database)))
	fleet{w.Gateway}.reconcile(t, w.promises)
	byEmail := make(map[string]string)
	for cursor := ""; ; {
		page := w.Do(t, "GET", "/api/users?limit=100&cursor="+cursor, nil)
		for _, u := range page.Data() {
			email, _ := u["email"].(string)
			id, _ := u["id"].(string)
			if other, twice := byEmail[email]; twice {
				t.Errorf("%s is the email of %s and of %s", email, id, other)
			}
			byEmail[email] = id
		}
		if cursor = page.Text("nextCursor"); cursor == "" {
			break
		}
	}
	for id, key := range w.promises.kept["/api/users"] {
		if email := "u" + strings.TrimPrefix(key, "key-") + "@example.com"; byEmail[email] != id {
			t.Errorf("%s was promised as %s, and is %q", email, id, byEmail[email])
		}
	}
	for _, c := range w.changers {
		u := w.Do(t, "GET", "/api/users/"+c.id, nil)
		if n, err := strconv.Atoi(u.Text("metadata", "count")); err != nil || n != c.count && n != c.count+1 || u.Number("version") < c.version {
			t.Errorf("counted to %d at version %d, and now: %s", c.count, c.version, u.Body)
		}
	}
}
