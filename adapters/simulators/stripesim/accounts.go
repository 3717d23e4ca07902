package stripesim

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/payment"
)

// accounts are the accounts that one address serves. Each has its own book and is identified by its
// secret key.
type accounts struct {
	mu    sync.Mutex
	byKey map[string]*Sim
}

func (all *accounts) open(ctx context.Context, o Options) *Sim {
	s := &Sim{
		accounts: all, account: o.Account, ctx: ctx, key: o.Key,
		keys: map[string]*saved{}, news: make(chan struct{}), failing: map[payment.Action]bool{}, held: map[payment.Action]*hold{},
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s.now = func() time.Time { return o.Now().Add(o.Skew) }
	if s.account == "" {
		s.account = newID("acct")
	}
	if s.key == "" {
		s.key = "sk_test_" + rand.Text()
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.byKey[s.key] = s
	return s
}

// answer passes the request to the account whose secret key it carries.
func (all *accounts) answer(r *http.Request) (a answered, replayed bool) {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	all.mu.Lock()
	s := all.byKey[key]
	all.mu.Unlock()
	if s == nil {
		return refuse(unauthorized(key)), false
	}
	return s.answer(r)
}

// Open opens another account at the same address.
func (s *Sim) Open(t faultserver.T, o Options) *Sim {
	t.Helper()
	other := s.accounts.open(t.Context(), o)
	other.Server = s.Server
	return other
}

// Account returns the account's id: acct_…
func (s *Sim) Account() string { return s.account }

// Key returns the account's secret key.
func (s *Sim) Key() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// Roll replaces the account's secret key and returns the new one. The old key is refused from then
// on; saved idempotency keys are kept.
func (s *Sim) Roll() (key string) {
	key = "sk_test_" + rand.Text()
	s.mu.Lock()
	old := s.key
	s.key = key
	s.mu.Unlock()
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	delete(s.accounts.byKey, old)
	s.accounts.byKey[key] = s
	return key
}

// Restrict makes the account's key unable to read the account itself.
func (s *Sim) Restrict() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = true
}

// self answers with the account of the key.
func (s *Sim) self(q *request) (object, *failure) {
	if s.limited {
		return nil, forbidden(s.account)
	}
	if _, f := q.expands(""); f != nil {
		return nil, f
	}
	return object{
		"id": s.account, "object": "account", "business_type": nil, "charges_enabled": true, "country": "US", "default_currency": "usd",
		"details_submitted": true, "email": nil, "metadata": object{}, "payouts_enabled": true, "type": "standard",
	}, nil
}
