package stripesim

import (
	"context"
	"runtime"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

const (
	// KeyKept is how long Stripe keeps an idempotency key.
	KeyKept = 24 * time.Hour

	saveTries   = 100 // attempts to save one request while others change the intent
	maxRequests = 100 // requests saved with an intent
)

// FailAfterCommit makes the next request of this action execute, and answers it with 500. As at
// Stripe, the 500 is saved under the idempotency key and replayed from then on.
func (s *Sim) FailAfterCommit(a payment.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing[a] = true
}

// fails reports whether FailAfterCommit applies to a request.
func (s *Sim) fails(a payment.Action) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	fails := s.failing[a]
	delete(s.failing, a)
	return fails
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

// Forget removes an idempotency key, as Stripe may once it is KeyKept old. The next request with it
// is a new one.
func (s *Sim) Forget(key string) { s.memory.forget(key) }

// begin marks a key as in use. It returns false if another request uses it.
func (s *Sim) begin(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under[key] {
		return false
	}
	s.under[key] = true
	return true
}

func (s *Sim) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, key)
}

// yields lets other requests run before the request is executed.
func (s *Sim) yields(a payment.Action) {
	s.mu.Lock()
	held := s.held[a]
	s.mu.Unlock()
	held.wait(s.ctx)
}

// change executes a request that changes something, once per idempotency key for as long as the key
// is kept. An error before execution began is not saved. If others change the record meanwhile, the
// request is executed again on what they have made of it.
func (s *Sim) change(ctx context.Context, q *request) (a answered, replayed bool) {
	if q.key != "" {
		if !s.begin(q.key) {
			return refuse(keyInUse()), false
		}
		defer s.end(q.key)
	}
	taken := false // the key of a create, as a save has shown
	if q.action == payment.Create && q.key != "" && s.memory == nil && s.mishap(q, nil) == none {
		a, tried, again := s.execute(ctx, q, nil) // most keys are new
		if tried && !again {
			return a, false
		}
		taken = again
	}
	for try := range saveTries {
		r, saved, f, err := s.locate(ctx, q)
		switch {
		case err != nil && (taken || try > 0 && q.action == payment.Create): // the key is taken: something was done
			return answered{lost: silent, err: err}, false
		case err != nil:
			return bookFailure(err), false
		case saved != nil && !q.same(saved):
			return refuse(otherRequest(q.key)), false
		case saved != nil:
			return s.response(r, saved), true
		case f != nil:
			return refuse(f), false
		}
		if try == 0 && s.memory != nil {
			s.yields(q.action)
			continue // others may have changed the record meanwhile
		}
		a, _, again := s.execute(ctx, q, r)
		if !again {
			return a, false
		}
	}
	if q.action == payment.Create { // its key is taken, though nothing is saved under it
		return answered{lost: silent}, false
	}
	return refuse(lockTimeout().after("1")), false
}

// locate finds the record that a request is about, and the response that is saved under its key. A
// create is about a new record.
func (s *Sim) locate(ctx context.Context, q *request) (r *Record, saved *Saved, f *Failure, err error) {
	if q.action != payment.Create {
		r, err = s.get(ctx, q.about())
		switch {
		case fault.Is(err, fault.NotFound):
			f = missing(q.names, "payment_intent", q.about())
		case err != nil:
			return nil, nil, nil, err
		default:
			if saved = s.savedUnder(r, q.key); saved != nil {
				return r, saved, nil, nil
			}
		}
	}
	if q.key == "" {
		return r, nil, f, nil
	}
	other, err := s.book.ByKey(ctx, q.key)
	switch {
	case fault.Is(err, fault.NotFound):
		return r, nil, f, nil
	case err != nil:
		return nil, nil, nil, err
	}
	if saved = s.savedUnder(other, q.key); saved != nil {
		return other, saved, nil, nil
	}
	return r, nil, f, nil
}

// savedUnder returns the response that is saved under a key, unless the key is too old.
func (s *Sim) savedUnder(r *Record, key string) *Saved {
	saved := r.response(key)
	if key == "" || saved == nil || s.keyKept > 0 && s.now().Sub(saved.At) >= s.keyKept {
		return nil
	}
	return saved
}

// execute executes a request on a record, and saves the record with the response. tried is false if
// there was nothing to save. again is true if others have changed the record meanwhile.
func (s *Sim) execute(ctx context.Context, q *request, r *Record) (a answered, tried, again bool) {
	if r == nil {
		r = new(Record)
	}
	m := s.mishap(q, r)
	if !m.executed {
		if a, befalls := s.before(ctx, q, m); befalls {
			return a, false, false
		}
		m = none
	}
	if len(r.Saved) == maxRequests {
		return refuse(invalid("too_many_requests", "", "This PaymentIntent takes no more requests.")), false, false
	}
	seq := r.LastSeq
	saved := Saved{Key: q.key, Fingerprint: q.fingerprint, At: s.now()}
	if f := q.serve(s, q, r, &saved); f != nil {
		if !f.executed {
			return refuse(f), false, false
		}
		saved.Failure, saved.Status, saved.About = f, f.status, f.about
	}
	fails := s.fails(q.action)
	if m.saved || fails {
		f := serverError()
		saved.Failure, saved.Status, saved.About = f, f.status, false
	}
	saved.State = r.Intent.State
	a = s.response(r, &saved)
	if q.key != "" {
		r.Saved = append(r.Saved, saved)
	}
	if r.Intent.ID == "" { // a create that is refused: there is nothing to save its key with
		return a, false, false
	}
	r.arrange(seq, m)
	switch err := s.book.Save(ctx, r); {
	case fault.Is(err, fault.Conflict):
		if fails {
			s.FailAfterCommit(q.action)
		}
		return a, true, true
	case err != nil:
		return bookFailure(err), true, false
	}
	return a.after(m), true, false
}

// before returns the mishap of a request that is not executed.
func (s *Sim) before(ctx context.Context, q *request, m *mishap) (a answered, befalls bool) {
	if m.once {
		first, err := s.book.Once(ctx, q.key)
		if err != nil {
			return bookFailure(err), true
		}
		if !first {
			return answered{}, false
		}
	}
	if m.refuses != nil {
		return refuse(m.refuses()), true
	}
	return answered{lost: m.lost}, true
}

// after returns the response as the mishap lets it arrive.
func (a answered) after(m *mishap) answered {
	if m.lost == garbled {
		return broken
	}
	a.lost = m.lost
	return a
}

// response renders the response to a request. It is the same each time.
func (s *Sim) response(r *Record, saved *Saved) answered {
	i := &r.Intent
	switch {
	case saved.Failure != nil:
		f := *saved.Failure
		f.status = saved.Status
		if saved.About {
			f.Intent = s.intentObject(i, &saved.State, false)
		}
		return refuse(&f)
	case saved.Refund > 0:
		o := newRefundObject(i, &r.Refunds[saved.Refund-1])
		if o.Status = saved.RefundStatus; o.Status != "failed" {
			o.Failure = ""
		}
		if saved.Expanded {
			o.Charge = newChargeObject(i, &saved.State)
		}
		return okay(o)
	}
	return okay(s.intentObject(i, &saved.State, saved.Expanded))
}
