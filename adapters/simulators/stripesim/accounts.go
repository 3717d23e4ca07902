package stripesim

import (
	"cmp"
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
		accounts: all, account: o.Account, ctx: ctx, key: o.Key, book: o.Book, refundTakes: o.RefundTakes, keyKept: KeyKept,
		newID: o.NewID, approval: o.Approval, always: mishaps[o.Fault],
		under: map[string]bool{}, failing: map[payment.Action]bool{}, held: map[payment.Action]*hold{},
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s.now = func() time.Time { return o.Now().Add(o.Skew) }
	if s.newID == nil {
		s.newID = func(prefix string) string { return prefix + "_" + rand.Text() }
	}
	if s.approval == nil {
		s.approval = func(reference string) string { return "https://hooks.stripe.com/3d_secure_2/" + reference }
	}
	if s.book == nil {
		s.memory = newMemory()
		s.memory.now, s.memory.render, s.book = s.now, s.Event, s.memory
	} else {
		s.keyKept = 0 // a Book may know keys for ever
	}
	s.account, s.key = cmp.Or(s.account, s.newID("acct")), cmp.Or(s.key, "sk_test_"+rand.Text())
	all.mu.Lock()
	defer all.mu.Unlock()
	all.byKey[s.key] = s
	return s
}

// answer passes the request to the account whose secret key it carries.
func (all *accounts) answer(r *http.Request) (a answered, replayed bool) {
	key, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if user, _, ok := r.BasicAuth(); ok && !isBearer { // curl -u sk_test_…:
		key = user
	}
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
func (s *Sim) self(q *request) (any, *Failure, error) {
	s.mu.Lock()
	limited := s.limited
	s.mu.Unlock()
	if limited {
		return nil, forbidden(s.account), nil
	}
	if _, f := q.expands(""); f != nil {
		return nil, f, nil
	}
	return accountObject{
		ID: s.account, Object: "account", Charges: true, Country: "US", Currency: "usd", Submitted: true,
		Metadata: map[string]string{}, Payouts: true, Type: "standard",
	}, nil, nil
}
