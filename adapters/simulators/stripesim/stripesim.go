// Package stripesim simulates Stripe: it keeps accounts, replays the responses saved under
// idempotency keys, signs webhooks, enforces Stripe's rules for the part of the API that Patchbay
// uses, and fails on demand.
//
// It has three uses. Tests start it on a port of loopback (Start). The mock payment provider calls
// it within the process (Transport), with a Book in the gateway's journal. `patchbay simulate
// stripe` serves it alone (New).
//
// Besides Stripe's test payment methods it knows our own, "pm_mock_…", which cause faults: see
// cards.go. A request that fails after its effect is repeated as at Stripe: under the same key it
// gets the first result.
//
// Sources: docs.stripe.com/api, version 2023-10-16. A test compares it with Stripe's own mock
// server (tests/stripemock).
package stripesim

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"patchbay/adapters/simulators/faultserver"
	"patchbay/core/fault"
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

	// Book keeps the records; one in memory by default, which forgets a key after KeyKept.
	Book Book
	// NewID makes an id with a prefix, such as pi.
	NewID func(prefix string) string
	// Approval returns the address at which a buyer approves a payment; one of Stripe's by default,
	// at which nothing answers.
	Approval func(reference string) string
	// RefundTakes is how long a refund is pending that is not completed at once. If it is zero, such
	// a refund stays as it is until Conclude.
	RefundTakes time.Duration
	// Fault is the name of a fault that befalls every create: one of Faults.
	Fault string
}

// Faults returns the names of all faults.
func Faults() []string { return slices.Sorted(maps.Keys(mishaps)) }

// Sim is one account at Stripe.
type Sim struct {
	*faultserver.Server
	accounts    *accounts // all accounts served at the same address
	account     string
	ctx         context.Context //nolint:containedctx // it ends with the test: what goes on in the background
	book        Book
	memory      *memory // the book, if it is in memory
	keyKept     time.Duration
	refundTakes time.Duration
	now         func() time.Time
	newID       func(prefix string) string
	approval    func(reference string) string
	always      *mishap // befalls every create

	mu      sync.Mutex
	key     string
	limited bool            // the key may not read its account
	under   map[string]bool // the idempotency keys that are in use
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

// New opens an account without a server. It is called directly as an http.Handler, or by its
// Transport.
func New(o Options) *Sim {
	all := &accounts{byKey: map[string]*Sim{}}
	return all.open(context.Background(), o)
}

// Book returns the account's intents, newest first, also those whose creator got no response.
// Amounts are in Stripe's units.
func (s *Sim) Book() []payment.BookEntry {
	var book []payment.BookEntry
	err := s.walk(s.ctx, "", "", pageLimit, func(r *Record) bool {
		book = append(book, r.Entry())
		return true
	})
	if err != nil {
		panic(err) // a book in memory does not fail
	}
	return book
}

// ServeHTTP implements http.Handler. The account whose key the request carries answers it.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, replayed := s.accounts.answer(r)
	switch a.lost {
	case refused, silent:
		panic(http.ErrAbortHandler)
	case hangs:
		hang(r.Context())
		panic(http.ErrAbortHandler)
	case answers, garbled:
	}
	s.head(w.Header(), a, replayed)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may have gone
}

// head sets the headers of a response.
func (s *Sim) head(h http.Header, a answered, replayed bool) {
	h.Set("Request-Id", "req_"+rand.Text())
	h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	h.Set("Content-Type", "application/json")
	if replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	if a.wait != "" {
		h.Set("Retry-After", a.wait)
	}
}

// answered is a response, and what becomes of it.
type answered struct {
	status int
	wait   string // the header Retry-After
	body   []byte
	lost   lost
	err    error // of the Book, if that is why it is lost
}

func okay(object any) answered { return answered{status: http.StatusOK, body: mustMarshal(object)} }

func (s *Sim) answer(r *http.Request) (a answered, replayed bool) {
	if v := r.Header.Get("Stripe-Version"); v != "" && v != Version {
		return refuse(invalid("", "", "Invalid Stripe API version: "+v)), false
	}
	q, f := newRequest(r)
	if f != nil {
		return refuse(f), false
	}
	if q.read == nil {
		return s.change(r.Context(), q)
	}
	object, f, err := q.read(s, q)
	switch {
	case err != nil:
		return bookFailure(err), false
	case f != nil:
		return refuse(f), false
	}
	return okay(object), false
}

// update changes the record of an intent. It returns NotFound, the error of change, or one of the
// Book.
func (s *Sim) update(ctx context.Context, reference string, change func(*Record) error) error {
	for range saveTries {
		r, err := s.get(ctx, reference)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		if err := s.book.Save(ctx, r); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New(fault.Conflict, "lock_timeout", "too many requests on one payment")
}

// touch is update for a test, which fails if there is no such intent.
func (s *Sim) touch(t faultserver.T, reference string, change func(*Record)) {
	t.Helper()
	err := s.update(s.ctx, reference, func(r *Record) error {
		change(r)
		return nil
	})
	if err != nil {
		t.Fatalf("stripesim: %s: %v", reference, err)
	}
}

// holder returns the intent of a record that holds something, and fails the test if none does.
func (s *Sim) holder(t faultserver.T, what string, holds func(*Record) bool) (reference string) {
	t.Helper()
	err := s.walk(s.ctx, "", "", pageLimit, func(r *Record) bool {
		if holds(r) {
			reference = r.Intent.ID
		}
		return reference == ""
	})
	if err != nil || reference == "" {
		t.Fatalf("stripesim: there is no %s: %v", what, err)
	}
	return reference
}
