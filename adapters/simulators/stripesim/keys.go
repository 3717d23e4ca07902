package stripesim

import (
	"context"
	"runtime"
	"sync"
	"time"

	"patchbay/core/payment"
)

// FailAfterCommit makes the next request of this action execute, and answers it with 500. As at
// Stripe, the 500 is saved under the idempotency key and replayed from then on.
func (s *Sim) FailAfterCommit(a payment.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[a] = true
}

// Hold blocks requests of this action before they are executed, until they are released, also if
// their clients have gone. A request with the same key gets idempotency_key_in_use meanwhile.
// arrived is closed when the first of them has arrived.
func (s *Sim) Hold(a payment.Action) (arrived <-chan struct{}, release func()) {
	came, released := make(chan struct{}), make(chan struct{})
	h := &hold{arrive: sync.OnceFunc(func() { close(came) }), released: released}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[a] = h
	return came, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(released)
		delete(s.held, a)
	})
}

type hold struct {
	arrive   func()
	released <-chan struct{}
}

// wait blocks a request until it is released. If nothing is held, it only yields, so that other
// requests can run in between.
func (h *hold) wait(ctx context.Context) {
	if h == nil {
		runtime.Gosched()
		return
	}
	h.arrive()
	select {
	case <-h.released:
	case <-ctx.Done():
	}
}

// KeyKept is how long Stripe keeps an idempotency key.
const KeyKept = 24 * time.Hour

// saved is a stored idempotency key and its response.
type saved struct {
	at          time.Time
	fingerprint string
	under       bool // the first request is still being executed
	answer      answered
}

// Forget removes an idempotency key, as Stripe may once it is KeyKept old. The next request with it
// is a new one.
func (s *Sim) Forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

// once executes a request once per idempotency key, for as long as the key is kept. An error before
// execution began is not saved.
func (s *Sim) once(q *request) (a answered, replayed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch k := s.keys[q.key]; {
	case k == nil, !k.under && s.now().Sub(k.at) >= KeyKept:
	case k.under:
		return refuse(keyInUse()), false
	case k.fingerprint != q.fingerprint:
		return refuse(otherRequest(q.key)), false
	default:
		return k.answer, true
	}
	k := &saved{at: s.now(), fingerprint: q.fingerprint, under: true}
	s.keys[q.key] = k
	held := s.held[q.action]
	s.mu.Unlock()
	held.wait(s.ctx)
	s.mu.Lock()
	var began bool
	if a, began = s.do(q); !began {
		delete(s.keys, q.key)
		return a, false
	}
	if s.failing[q.action] {
		delete(s.failing, q.action)
		a = refuse(serverError())
	}
	k.answer, k.under = a, false
	return a, false
}
