// Package chaos_test kills, stops and disturbs gateways, databases and providers under load, and
// then compares what callers were answered with what is stored and what the providers did.
package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

const (
	kills     = 6  // without PATCHBAY_CHAOS_KILLS
	clients   = 12 // a third of them create payments, a third emails, a third users
	perLife   = 60 // at least so many answers between two kills, since an idle gateway loses nothing
	mailLimit = 20 * time.Second
)

// TestMain sets the number of parallel tests to one more than the number of processors, and at
// least three: each test spends most of its time waiting.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(3, runtime.GOMAXPROCS(0)+1))); err != nil {
		panic(err)
	}
	m.Run()
}

// promises are the creations that were answered 2xx, with their idempotency keys.
type promises struct {
	mu   sync.Mutex
	kept map[string]map[string]string // path → id → key
}

func (p *promises) add(path, id, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept[path][id] = key
}

func (p *promises) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ids := range p.kept {
		n += len(ids)
	}
	return n
}

func (p *promises) of(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept[path])
}

var bodies = map[string]string{
	"/api/payments": `{"amount":500,"currency":"eur","paymentMethod":%q,"confirm":true}`,
	"/api/emails":   `{"to":["ada@example.com"],"subject":%q,"text":"Hello"}`,
	"/api/users":    `{"email":%q}`,
}

// methods are the payment methods: charged at once, or with a lost answer.
var methods = []string{"pm_card_visa", "pm_card_visa", "pm_mock_timeout_after_commit", "pm_mock_timeout_before"}

func body(path string, n int) string {
	switch path {
	case "/api/payments":
		return fmt.Sprintf(bodies[path], methods[n%len(methods)])
	case "/api/emails":
		return fmt.Sprintf(bodies[path], fmt.Sprint("mail ", n))
	}
	return fmt.Sprintf(bodies[path], fmt.Sprintf("u%d@example.com", n))
}

// client creates one object after another, each under a key of its own, and repeats each until it
// is answered 2xx, through every restart.
func client(ctx context.Context, t *testing.T, g *gateway.Gateway, path string, id, of int, p *promises) {
	for n := id; ctx.Err() == nil; n += of {
		key := fmt.Sprint("key-", n)
		for ctx.Err() == nil {
			a, err := gateway.Send(ctx, http.MethodPost, g.Base+path, []byte(body(path, n)),
				gateway.Header{"Content-Type": "application/json"}, gateway.Key(key))
			if err == nil && a.Status < 300 {
				p.add(path, a.Text("id"), key)
				break
			}
			if err == nil && a.Status != http.StatusConflict && a.Status != http.StatusServiceUnavailable {
				t.Errorf("POST %s under %s: got %d %s, want 2xx, 409 or 503", path, key, a.Status, a.Body)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond): // it is down, or working on the request
			}
		}
	}
}

// TestKilledUnderLoad kills a gateway on SQLite repeatedly. Whatever was answered 2xx is stored once
// afterwards, every email goes out and every payment is charged once.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := kills
	if text := os.Getenv("PATCHBAY_CHAOS_KILLS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	g := gateway.Start(t)
	p := &promises{kept: map[string]map[string]string{"/api/payments": {}, "/api/emails": {}, "/api/users": {}}}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for path := range bodies {
		for i := range clients / len(bodies) {
			all.Go(func() { client(ctx, t, g, path, i, clients/len(bodies), p) })
		}
	}
	for range rounds {
		target := p.count() + perLife + random.IntN(perLife)
		gateway.Eventually(t, 30*time.Second, "enough requests are answered", func() bool { return p.count() >= target })
		g.Kill()
		g.Restart(t)
	}
	stop()
	all.Wait()
	g.Kill() // once more, without load
	g.Restart(t)
	overdue(t, inFile(t, filepath.Join(g.Dir, "data", "patchbay.db")))
	reconcile(t, g, p)
	t.Logf("seed %d: %d kills; %d payments, %d emails, %d users answered 2xx, all of them stored", seed, rounds+1,
		len(p.kept["/api/payments"]), len(p.kept["/api/emails"]), len(p.kept["/api/users"]))
}

// reconcile compares what was answered 2xx with what is stored and with the mock's charges.
func reconcile(t *testing.T, g *gateway.Gateway, p *promises) {
	for path, ids := range p.kept {
		byKey := make(map[string]string)
		for id, key := range ids {
			if a := g.Do(t, "GET", path+"/"+id, nil); a.Status != 200 {
				t.Errorf("GET %s/%s, which was answered 2xx: got %d, want 200", path, id, a.Status)
			}
			if other, twice := byKey[key]; twice {
				t.Errorf("%s: key %s made %s and %s, want one", path, key, id, other)
			}
			byKey[key] = id
		}
	}
	for id := range p.kept["/api/emails"] {
		gateway.Eventually(t, mailLimit, "email "+id+" goes out", func() bool {
			files, err := filepath.Glob(filepath.Join(g.Dir, "data", "mail", "*-"+id+".eml"))
			return err == nil && len(files) > 0
		})
	}
	for id := range p.kept["/api/payments"] {
		gateway.Eventually(t, 2*time.Minute, "payment "+id+" succeeds", func() bool {
			return g.Do(t, "GET", "/api/payments/"+id, nil).Text("status") == "succeeded"
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
	if strings.Contains(g.Log(), "panic") || strings.Contains(g.Log(), "level=ERROR") {
		t.Errorf("the log has a panic or an error, want neither:\n%s", g.Log())
	}
}
