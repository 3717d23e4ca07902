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

// street is a shop whose payments go to two accounts at Stripe and whose mail goes to
// SendGrid and Mailgun, all of them on sockets of their own, and all of them sick.
type street struct {
	*gateway.Shop
	all      fleet // the shop's gateway, and its twin where there is one
	sendgrid *sendgridsim.Sim
	mailgun  *mailgunsim.Sim
	store    database
	seed     uint64
	luck     *luck
	clock    time.Duration // how far the gateways' clocks are off
	passed   atomic.Int64  // time that has passed for the accounts as well

	mu        sync.Mutex
	problems  map[string][]string // examples, by what is wrong
	requests  []*errand           // all that were answered for good, in order
	window    bool                // what is accepted now may be forgotten
	replaying bool                // what was forgotten is repeated
	older     bool                // an older file was put back
	gate      sync.RWMutex        // held by who asks; closed while an older file is put back
}

// luck is random numbers for many.
type luck struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *luck) under(n float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Float64() < n
}

func (l *luck) n(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.IntN(n)
}

// streetPolicies give up on a try after a second, and leave nobody alone for long.
var streetPolicies = []string{
	"default: {timeout: 1s, deadline: 5s, backoff: {initial: 50ms, max: 200ms}, breaker: {minimum_calls: 200, open: 1s}}",
}

func newStreet(t *testing.T, seed uint64, settings string) *street {
	t.Helper()
	s := &street{
		seed:     seed,
		sendgrid: sendgridsim.Start(t, sendgridsim.Options{Check: sendgridapi.Check(t)}), mailgun: mailgunsim.Start(t, mailgunsim.Options{}),
		luck: &luck{r: rand.New(rand.NewPCG(seed, 0))}, problems: map[string][]string{},
	}
	s.Shop = gateway.NewShop(t, gateway.ShopOptions{
		Now:      func() time.Time { return time.Now().Add(time.Duration(s.passed.Load())) },
		Database: settings, Policies: streetPolicies, Mail: []string{"sendgrid", "mailgun"},
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

// sick is a provider that can be made ill.
type sick interface {
	Inject(faults ...faultserver.Fault)
	Refuse()
	Resume()
	Heal()
}

func (s *street) providers() []sick { return []sick{s.First, s.Second, s.sendgrid, s.mailgun} }

// sicken has things go wrong at all providers: before and after a request was done, in
// the provider's own words and in those of what stands between.
func (s *street) sicken() {
	chance := func(n float64) func(*http.Request, []byte) bool {
		return func(*http.Request, []byte) bool { return s.luck.under(n) }
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

// wrong notes what is wrong, with a few examples.
func (s *street) wrong(what, example string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[what] = append(s.problems[what], fmt.Sprintf(example, args...))
}

// judge fails the test where something was wrong.
func (s *street) judge(t *testing.T) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(s.problems)) {
		examples := s.problems[what]
		t.Errorf("%s: %d, such as %s", what, len(examples), examples[:min(3, len(examples))])
	}
}

// charge is an entry in an account's book.
type charge struct {
	payment.BookEntry
	account string
}

// books are what both accounts have: the charges of each order, captured or held.
func (s *street) books() (charges map[string][]charge) {
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

// letters counts the copies of each message that went out.
func (s *street) letters() map[string]int {
	copies := map[string]int{}
	for _, l := range slices.Concat(s.sendgrid.Messages(), s.mailgun.Messages()) {
		copies[l.Variables["order"]]++
	}
	return copies
}
