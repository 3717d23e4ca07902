// Package stripesim simulates Stripe: it keeps accounts, replays the responses saved
// under idempotency keys, signs webhooks, enforces Stripe's rules for the part of the API that
// Patchbay uses, and fails when told to.
//
// Sources: docs.stripe.com/api, version 2023-10-16. A test compares it with Stripe's own mock
// server (tests/stripemock).
package stripesim

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

// Version is the version of Stripe's API.
const Version = "2023-10-16"

// Options are the options of an account. Zero means the default.
type Options struct {
	Key     string           // the secret key; a random one by default
	Account string           // the id, acct_…; a random one by default
	Now     func() time.Time // time.Now by default
	Skew    time.Duration    // how far Stripe's clock is ahead of Now
}

// Sim is one account at Stripe.
type Sim struct {
	*faultserver.Server
	accounts *accounts // all accounts served at the same address
	account  string
	now      func() time.Time
	ctx      context.Context //nolint:containedctx // it ends with the test: what goes on in the background

	mu      sync.Mutex
	key     string
	limited bool      // the key may not read its account
	intents []*intent // oldest first
	keys    map[string]*saved
	events  []Event
	news    chan struct{} // closed at each event
	failing map[payment.Action]bool
	held    map[payment.Action]*hold
}

// Start opens an account and serves it until the test ends.
func Start(t faultserver.T, o Options) *Sim {
	t.Helper()
	s := New(o)
	s.ctx = t.Context()
	s.Server = faultserver.Start(t, s)
	return s
}

// New opens an account without a server. It is called directly as an http.Handler.
func New(o Options) *Sim {
	all := &accounts{byKey: map[string]*Sim{}}
	return all.open(context.Background(), o)
}

// Book returns the account's intents, newest first, also those whose creator got no response.
// Amounts are in Stripe's units.
func (s *Sim) Book() []payment.BookEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var book []payment.BookEntry
	for _, i := range slices.Backward(s.intents) {
		book = append(book, i.entry())
	}
	return book
}

// ServeHTTP implements http.Handler. The account whose key the request carries answers it.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Request-Id", "req_"+rand.Text())
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	a, replayed := s.accounts.answer(r)
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may have gone
}

// answered is the status and the body of a response.
type answered struct {
	status int
	body   []byte
}

func (s *Sim) answer(r *http.Request) (a answered, replayed bool) {
	if v := r.Header.Get("Stripe-Version"); v != "" && v != Version {
		return refuse(invalid("", "", "Invalid Stripe API version: "+v)), false
	}
	q, e := newRequest(r)
	if e != nil {
		return refuse(e), false
	}
	if r.Method == http.MethodGet || q.key == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		a, _ = s.do(q)
		return a, false
	}
	return s.once(q)
}

// do executes a request and reports whether execution had begun.
func (s *Sim) do(q *request) (a answered, began bool) {
	object, e := q.serve(s, q)
	if e != nil {
		return refuse(e), e.executed
	}
	body, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return answered{http.StatusOK, body}, true
}

func (s *Sim) find(id string) *intent {
	i := slices.IndexFunc(s.intents, func(i *intent) bool { return i.id == id })
	if i < 0 {
		return nil
	}
	return s.intents[i]
}
