//go:build interop

package proxies

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"patchbay/tests/gateway"
)

const (
	clients  = 64     // at the same time, each with its own connection
	requests = 10_000 // at least, through each proxy
)

// results records the calls of all clients.
type results struct {
	mu       sync.Mutex
	sent     map[string]bool // ids
	answered map[string]bool
	requests int
	kinds    map[string]int
	strange  map[int]int // answers to ambiguous calls, by status; 0 if there was none
	payments map[string]int
}

// Over persistent connections each client gets the answers to its own requests, whatever the others
// send, and the gateway executes no request that was not sent.
func TestEachClientGetsItsOwnAnswers(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			g, key := startGuarded(t)
			rec := startRecorder(t, strings.TrimPrefix(g.Base, "http://"))
			p := start(t, rec.address)
			all := &results{sent: map[string]bool{}, answered: map[string]bool{}, kinds: map[string]int{}, strange: map[int]int{}, payments: map[string]int{}}
			var done sync.WaitGroup
			for i := range clients {
				done.Go(func() { runClient(t, i, p.address, key, all) })
			}
			done.Wait()
			all.check(t, g)
			checkConnections(t, p, rec)
		})
	}
}

// runClient makes one call after the other until there are enough.
func runClient(t *testing.T, i int, address, key string, all *results) {
	s := &apiClient{random: rand.New(rand.NewPCG(12, uint64(i))), key: "Authorization: Bearer " + key, name: fmt.Sprintf("s%d", i)}
	c := &caller{address: address}
	defer c.close()
	var bag []int
	for k, kind := range kinds {
		bag = append(bag, slices.Repeat([]int{k}, kind.share)...)
	}
	for !t.Failed() && all.count() < requests {
		s.n++
		id := fmt.Sprintf("%s-%d", s.name, s.n)
		kind := kinds[bag[s.random.IntN(len(bag))]]
		switch { // the first two create the objects that the others need
		case s.n == 1:
			kind = kinds[0]
		case s.user == "":
			kind = kinds[5]
		}
		one := kind.make(s, id)
		all.send(kind.name, one)
		got, err := c.exchange(one.text, one.methods...)
		if one.spoils {
			c.close()
		}
		if err != nil && !one.strange {
			t.Errorf("%s: %v", kind.name, err)
			continue
		}
		if err := all.compare(one, got); err != nil {
			t.Errorf("%s: %v: %v", kind.name, err, got)
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, p := range s.paid {
		all.payments[p.id] = p.refunded
	}
}

func (a *results) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests
}

func (a *results) send(kind string, c call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kinds[kind]++
	a.requests += len(c.ids)
	for _, id := range c.ids {
		a.sent[id] = true
	}
}

// compare compares answers with their call.
func (a *results) compare(c call, got []gateway.Answer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.strange {
		status := 0
		for _, one := range got {
			status = one.Status
			// If the proxy refuses the call itself, its answer has no request id. If the gateway
			// refuses the head, the id is one that it made.
			id := one.Header.Get("X-Request-Id")
			if id != "" && id != c.ids[0] && !strings.HasPrefix(id, "req_") || status < 400 {
				return fmt.Errorf("the answer is to %s", id)
			}
		}
		a.strange[status]++
		return nil
	}
	if len(got) != len(c.ids) {
		return fmt.Errorf("got %d answers, want %d", len(got), len(c.ids))
	}
	for i, one := range got {
		if id := one.Header.Get("X-Request-Id"); id != c.ids[i] {
			return fmt.Errorf("the answer is to %q, want %q", id, c.ids[i])
		}
		if one.Status != c.status[i] {
			return fmt.Errorf("answer %d is %d, want %d", i+1, one.Status, c.status[i])
		}
		a.answered[c.ids[i]] = true
	}
	return c.own(got)
}

var (
	served = regexp.MustCompile(`msg=request .*request=(\S+)`)
	retry  = regexp.MustCompile(`tries=\S+, |retries=\+?[1-9]|status=50[24]`)
)

// check compares the requests in the gateway's log with those that were sent: each was served at
// most once, and none was read out of the body of another.
func (a *results) check(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	times := make(map[string]int)
	gateway.Eventually(t, patience, "all that was answered is in the log", func() bool {
		clear(times)
		for _, m := range served.FindAllStringSubmatch(g.Log(), -1) {
			times[m[1]]++
		}
		return !slices.ContainsFunc(slices.Collect(maps.Keys(a.answered)), func(id string) bool { return times[id] == 0 })
	})
	for id, n := range times {
		switch {
		case strings.HasPrefix(id, "req_"): // the mock's webhooks, and heads that were refused
		case !a.sent[id]:
			t.Errorf("the gateway has served %s, want only requests that were sent", id)
		case n > 1:
			t.Errorf("the gateway has served %s %d times, want at most 1", id, n)
		}
	}
	if t.Logf("%d requests in %d calls, %d answered, each with its own; ambiguous ones %v, by status; %d heads refused by the gateway",
		a.requests, sum(a.kinds), len(a.answered), a.strange, strings.Count(g.Log(), "msg=request method=- ")); a.requests < requests || len(a.answered) < requests*9/10 {
		t.Errorf("they are too few, want requests at least %v, at least %v answered", requests, requests*9/10)
	}
	for _, kind := range kinds {
		if a.kinds[kind.name] == 0 {
			t.Errorf("%s was not sent, want some", kind.name)
		}
	}
	charges := g.Charges(t)
	for id, refunded := range a.payments {
		if c := charges[id]; len(c) != 1 || c[0].Refunded != int64(refunded) {
			t.Errorf("payment %s: %+v, want one charge, of which %d is refunded", id, c, refunded)
		}
	}
	if len(charges) != len(a.payments) {
		t.Errorf("got %d charges, want %d, one for each payment", len(charges), len(a.payments))
	}
}

func sum(counts map[string]int) (n int) {
	for c := range maps.Values(counts) {
		n += c
	}
	return n
}

// checkConnections checks the connections between proxy and gateway. The gateway announces the end
// of each in its last answer, so that no proxy sends a request on a connection that is being closed
// and has to send it again.
func checkConnections(t *testing.T, p *proxy, rec *recorder) {
	t.Helper()
	var retries []string
	for line := range strings.Lines(p.log()) {
		if retry.MatchString(line) {
			retries = append(retries, line)
		}
	}
	f := rec.figures()
	t.Logf("%d connections to the gateway carried %d answers, %d at most; the gateway closed %d of them announced and %d unannounced, the proxy %d; %d requests were tried again or failed",
		f.connections, f.answers, f.mostOfOne, f.announced, len(f.unannounced), f.byProxy, len(retries))
	if f.mostOfOne < 50 {
		t.Errorf("got at most %d answers on a connection, want at least 50", f.mostOfOne)
	}
	if len(retries) > 0 {
		t.Errorf("the proxy has tried requests again or failed, want no retries:\n%s", strings.Join(retries[:min(len(retries), 20)], ""))
	}
	for _, k := range f.unannounced[:min(len(f.unannounced), 5)] {
		t.Errorf("the gateway has closed a connection of %s, silent since %s, without announcing it, after\n%.2000s", k.silence.Sub(k.began), k.silence, k.received)
	}
}
