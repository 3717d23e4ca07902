package stripesim

import (
	"context"
	"runtime"
	"sync"
	"time"

	"patchbay/core/payment"
)

// FailAfterCommit lets the next request of this action be done, and answered 500.
// As at Stripe, that is its answer under its key from then on.
func (s *Sim) FailAfterCommit(a payment.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[a] = true
}

// Hold keeps requests of this action under way, whether or not somebody waits for
// their answers, until they are released. A repeat meanwhile is told so. Arrived is
// closed when the first of them is there.
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

// wait keeps a request under way; where nothing is held, others may come in between.
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

// KeyKept is how long Stripe keeps what was answered under a key.
const KeyKept = 24 * time.Hour

// saved is what a key stands for.
type saved struct {
	at          time.Time
	fingerprint string
	under       bool // the first request is still under way
	answer      answered
}

// Forget lets the account forget a key, as Stripe may once it is KeyKept old: the
// next request under it is a new one.
func (s *Sim) Forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

// once does a request once a key, for as long as that is kept. What fails before
// it began is not saved.
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
