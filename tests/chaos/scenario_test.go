package chaos_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/adapters/simulators/sendgridsim"
	"patchbay/adapters/simulators/stripesim"
	"patchbay/core/payment"
	"patchbay/tests/gateway"
	"patchbay/tests/sendgridapi"
)

// scenario is a shop whose payments go to two accounts at Stripe and whose mail goes to SendGrid and
// Mailgun. All four are simulated, and all four fail at times.
type scenario struct {
	*gateway.Shop
	all      fleet // the shop's gateway, and the second one if there is one
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
	store    database
	seed     uint64
	random   *lockedRand
	clock    time.Duration // the offset of the gateways' clocks
	passed   atomic.Int64  // the time by which the clocks of the Stripe accounts were advanced

	mu          sync.Mutex
	problems    map[string][]string // examples by kind of problem
	requests    []*keyedRequest     // those that have a final answer, in order
	afterBackup bool                // between backup and restore: what is accepted now will be forgotten
	replaying   bool                // the keys are being repeated after a restore
	restored    bool                // an older file was restored
	gate        sync.RWMutex        // read-locked by each request, locked during a restore
}

// lockedRand is a source of random numbers for several goroutines.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) under(n float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Float64() < n
}

func (l *lockedRand) n(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

// scenarioPolicies end a try after a second, and open breakers for a second only.
var scenarioPolicies = []string{
	"default: {timeout: 1s, deadline: 5s, backoff: {initial: 50ms, max: 200ms}, breaker: {minimum_calls: 200, open: 1s}}",
}

func newScenario(t *testing.T, seed uint64, settings string) *scenario {
	t.Helper()
	s := &scenario{
		seed:     seed,
		sendgrid: sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)}), mailgun: mailgunsim.Start(t, mailgunsim.Options{}),
		random: &lockedRand{r: rand.New(rand.NewPCG(seed, 0))}, problems: map[string][]string{},
	}
	s.Shop = gateway.NewShop(t, gateway.ShopOptions{
		Now:      func() time.Time { return time.Now().Add(time.Duration(s.passed.Load())) },
		Database: settings, Policies: scenarioPolicies, Mail: []string{"sendgrid", "mailgun"},
		Others: []string{
			fmt.Sprintf("sendgrid: {type: sendgrid, api_key: \"${SENDGRID_KEY}\", base_url: %q}", s.sendgrid.URL()),
			fmt.Sprintf("mailgun: {type: mailgun, domain: %s, api_key: \"${MAILGUN_KEY}\", base_url: %q}", s.mailgun.Domain(), s.mailgun.URL()),
		},
		Env: []string{"SENDGRID_KEY=" + s.sendgrid.Key(), "MAILGUN_KEY=" + s.mailgun.Key()},
	})
	s.OwnClock(t)
	s.all = fleet{s.Gateway}
	return s
}

// faultyProvider is a simulated provider that can be made to fail.
type faultyProvider interface {
	Inject(faults ...faultserver.Fault)
	Refuse()
	Resume()
	Heal()
}

func (s *scenario) providers() []faultyProvider {
	return []faultyProvider{s.First, s.Second, s.sendgrid, s.mailgun}
}

// injectFaults lets all providers fail at random: before and after a request was executed, with
// their own errors and with pages of a proxy.
func (s *scenario) injectFaults() {
	chance := func(n float64) func(*http.Request, []byte) bool {
		return func(*http.Request, []byte) bool { return s.random.under(n) }
	}
	page := func(status int) faultserver.Mishap {
		return faultserver.Answer(status, map[string]string{"Content-Type": "text/html"}, "<html><body>Blocked</body></html>")
	}
	for _, p := range s.providers() {
		p.Inject(
			faultserver.Fault{Match: chance(0.01), Standing: true, Mishap: faultserver.Reset()},
			faultserver.Fault{Match: chance(0.03), Standing: true, After: true, Mishap: faultserver.Reset()},
			faultserver.Fault{Match: chance(0.01), Standing: true, After: true, Mishap: faultserver.Truncate()},
			faultserver.Fault{Match: chance(0.01), Standing: true, After: true, Mishap: page(http.StatusBadGateway)},
			faultserver.Fault{Match: chance(0.01), Standing: true, Mishap: page(http.StatusServiceUnavailable)},
			faultserver.Fault{Match: chance(0.003), Standing: true, After: true, Mishap: page(http.StatusUnauthorized)},
			faultserver.Fault{Match: chance(0.003), Standing: true, After: true, Mishap: page(http.StatusForbidden)},
			faultserver.Fault{Match: chance(0.003), Standing: true, After: true, Mishap: page(http.StatusTooManyRequests)},
			faultserver.Fault{Match: chance(0.002), Standing: true, After: true, Mishap: faultserver.Hang()},
		)
	}
	for _, account := range []*stripesim.Sim{s.First, s.Second} {
		account.Inject(faultserver.Fault{Match: chance(0.02), Standing: true, Mishap: stripesim.RateLimited(time.Second)})
	}
	s.sendgrid.Inject(faultserver.Fault{Match: chance(0.02), Standing: true, Mishap: sendgridsim.RateLimited(time.Second)})
}

// problem records a problem, with an example.
func (s *scenario) problem(what, example string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[what] = append(s.problems[what], fmt.Sprintf(example, args...))
}

// report fails the test if there was a problem, with up to three examples of each kind.
func (s *scenario) report(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(s.problems)) {
		examples := s.problems[what]
		t.Errorf("%s: got %d, want 0, such as %s", what, len(examples), examples[:min(3, len(examples))])
	}
}

// charge is a payment intent at an account.
type charge struct {
	payment.BookEntry
	account string
}

// charges returns the charges of each order at both accounts, captured or held.
func (s *scenario) charges() (charges map[string][]charge) {
	charges = map[string][]charge{}
	for name, account := range map[string]*stripesim.Sim{"first": s.First, "second": s.Second} {
		for _, e := range account.Book() {
			if e.Captured > 0 || e.Status == payment.RequiresCapture {
				charges[e.Metadata["order"]] = append(charges[e.Metadata["order"]], charge{e, name})
			}
		}
	}
	return charges
}

// mailCopies counts the copies of each email that the mail providers have accepted.
func (s *scenario) mailCopies() map[string]int {
	copies := map[string]int{}
	for _, l := range slices.Concat(s.sendgrid.Messages(), s.mailgun.Messages()) {
		copies[l.Variables["order"]]++
	}
	return copies
}
