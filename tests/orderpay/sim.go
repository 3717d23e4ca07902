// Package orderpay is a payment provider of another shape than Stripe, and an adapter for it. Both
// exist only to test that the gateway fits such providers.
//
// A payment is an order. The buyer approves it on the provider's page, or the caller pays it with a
// token. Authorising happens at once; captures and refunds are accepted first, and end later. The
// provider remembers a Request-Id for six hours, and does not replay errors: a repeat of a request
// that failed is tried again. Orders cannot be listed. They can be looked up by the caller's
// reference, but only some time after they were made. An event about a capture or a refund does not
// name the order. Events are signed with a key that the provider publishes.
package orderpay

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// KeyKept is for how long the provider remembers a Request-Id.
const KeyKept = 6 * time.Hour

// Options are the options of an account. Zero means the default.
type Options struct {
	Key   string        // the secret key; a random one by default
	Lag   time.Duration // how long an order cannot be looked up after it was made
	Takes time.Duration // how long captures and refunds are pending; until Settle by default
}

// Sim is one account at the provider.
type Sim struct {
	*faultserver.Server
	o      Options
	signer signer

	mu     sync.Mutex
	orders []*order // oldest first
	keys   map[string]*saved
	events []Event
}

// Start opens an account and serves it until the test ends.
func Start(t testing.TB, o Options) *Sim {
	t.Helper()
	s := New(o)
	s.Server = faultserver.Start(t, s)
	return s
}

// New opens an account without a server. It is called directly as an http.Handler.
func New(o Options) *Sim {
	if o.Key == "" {
		o.Key = "op_secret_" + rand.Text()
	}
	return &Sim{o: o, signer: newSigner(), keys: map[string]*saved{}}
}

// Key returns the account's secret key.
func (s *Sim) Key() string { return s.o.Key }

// Merchant returns the id of the account.
func (s *Sim) Merchant() string { return "merchant_" + strings.TrimPrefix(s.o.Key, "op_secret_") }

// Book returns the account's orders, newest first, also those whose creator got no response.
func (s *Sim) Book() []payment.BookEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	var book []payment.BookEntry
	for _, o := range slices.Backward(s.orders) {
		book = append(book, o.entry())
	}
	return book
}

// Settle ends all captures and refunds that are pending.
func (s *Sim) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(func(time.Time) bool { return true })
}

// Approve approves an order as the buyer does on the provider's page.
func (s *Sim) Approve(t testing.TB, id string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(id)
	if o == nil || !o.awaits {
		t.Fatalf("orderpay: %s does not wait for its buyer", id)
	}
	s.authorise(o)
}

// advance ends what has been pending for long enough.
func (s *Sim) advance() {
	if s.o.Takes > 0 {
		s.end(func(since time.Time) bool { return time.Since(since) >= s.o.Takes })
	}
}

// end ends the pending captures and refunds that are over.
func (s *Sim) end(over func(since time.Time) bool) {
	for _, o := range s.orders {
		if c := o.pendingCapture(); c != nil && over(c.at) {
			if c.status = "completed"; o.token == FailsCapture && len(o.captures) == 1 {
				c.status = "failed"
			}
			s.tell("capture."+c.status, map[string]any{"capture": c.view()})
		}
		for _, r := range o.refunds {
			if r.status == "pending" && over(r.at) {
				r.status = "completed"
				s.tell("refund.completed", map[string]any{"refund": r.view()})
			}
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	status, body := s.answer(r)
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

func (s *Sim) find(id string) *order {
	if i := slices.IndexFunc(s.orders, func(o *order) bool { return o.id == id }); i >= 0 {
		return s.orders[i]
	}
	return nil
}

// currencies are those that the account takes.
var currencies = []money.Currency{"eur", "gbp", "usd"}

// Limits of an order's metadata.
const maxKeys, maxKey, maxValue = 12, 40, 127
