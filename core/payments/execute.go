package payments

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/worker"
	"patchbay/ports"
)

// reply coordinates a waiting caller and the work in the background. Either the caller
// gets the result of the work, or it was answered early that the work continues, and then the
// gateway completes it. This is decided before a refusal is saved, so that the saved state
// says who tries again.
type reply struct{ atomic.Int32 }

// The states of a reply.
const (
	replyOpen    int32 = iota // also after a refusal, if the work continues after all
	replyEarly                // the caller has left with an early answer
	replyRefusal              // the caller gets the refusal that is being saved
)

// run calls the provider for an operation that has been saved. The work outlives the
// caller. If it has not ended by the given time, the caller gets the payment as it is then.
func (s *Service) run(ctx context.Context, by time.Time, st stored, id string) (Result, error) {
	present := Result{Payment: st.payment, Operation: *st.payment.Operation(id)}
	if !present.Operation.Outcome.Open() {
		return present, failure(present.Operation)
	}
	st.payment.Operations = slices.Clone(st.payment.Operations)
	var to reply
	var result Result
	var err error
	done := make(chan struct{}) // not closed after a panic, which says nothing about the outcome
	work := context.WithoutCancel(ctx)
	s.calls.Go("call for a payment", func() {
		result, err = s.execute(work, st, id, &to)
		close(done)
	})
	late := time.NewTimer(by.Sub(s.Clock.Now()))
	defer late.Stop()
	select {
	case <-done:
		return result, err
	case <-late.C:
	}
	until := s.Clock.Now().Add(saveWithin)
	for !to.CompareAndSwap(replyOpen, replyEarly) {
		select {
		case <-done:
			return result, err
		case <-time.After(saveWithin / 30):
		}
		if s.Clock.Now().After(until) { // the refusal may or may not have been saved
			return present, fault.New(fault.UnknownOutcome, "outcome_not_saved", "the provider has answered, and it could not be kept yet; ask again under the same key")
		}
	}
	return present, nil
}

// execute calls the provider and saves its answer. If it is proved that nothing was done,
// it goes to the next provider, until the deadline.
func (s *Service) execute(ctx context.Context, st stored, id string, to *reply) (Result, error) {
	working, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	for {
		a := answer{err: errLate}
		if s.Clock.Now().Add(st.clockAhead).Before(st.record.Due) { // this only saves a call; keys and claims make a second call harmless
			a = s.call(working, st.payment, *st.payment.Operation(id))
		}
		if outcome := outcomeOf(a.err); outcome == payment.NotSent || outcome == payment.NotExecuted {
			to.CompareAndSwap(replyOpen, replyRefusal)
		}
		next, err := s.conclude(ctx, &st, id, a, working.Err() == nil, to.Load() == replyEarly)
		op := *st.payment.Operation(id)
		switch {
		case fault.From(err).Code == codeForeign:
			s.reviewForeign(ctx, &st, id)
			op = *st.payment.Operation(id)
			return Result{Payment: st.payment, Operation: op}, nil
		case err != nil:
			// The provider has answered, but the answer cannot be saved, so it cannot be given to
			// the caller as final. When the lease ends, the resolver asks again under the same key.
			s.logUnsaved(ctx, &st.payment, id, err)
			op.Outcome, st.payment.Status = payment.Unknown, payment.Processing
			return Result{Payment: st.payment, Operation: op}, nil
		case next != "":
			id = next
			to.CompareAndSwap(replyRefusal, replyOpen)
			continue
		case exceedsRemainder(&op) && s.retryWithRemainder(working, &st, op):
			to.CompareAndSwap(replyRefusal, replyOpen)
			continue
		}
		if op = *st.payment.Operation(id); op.Outcome.Open() {
			s.nudge(op.Provider)
		}
		shown, err := answerOf(st.payment, op) // a webhook may have ended it first: repeats get the payment as it was then
		if err != nil {
			return Result{}, err
		}
		return Result{Payment: shown, Operation: op}, s.refusal(&st.payment, op, a.err)
	}
}

func (s *Service) logUnsaved(ctx context.Context, p *payment.Payment, operation string, err error) {
	s.Log.ErrorContext(ctx, "outcome of a payment is not saved", "payment", p.ID, "tenant", p.Tenant, "operation", operation, "error", err)
}

// refusal returns the error of an operation that has just ended. Its RetryAfter is that of
// the provider that a repeat asks first.
func (s *Service) refusal(p *payment.Payment, op payment.Operation, err error) error {
	said := failure(op)
	if said == nil || err == nil {
		return said
	}
	f := fault.From(said)
	f.RetryAfter = fault.From(err).RetryAfter
	if wait := ports.Wait(s.eligible(p, op.Request)); op.Creates() && wait > 0 {
		f.RetryAfter = wait
	}
	return f
}

// errLate is the failure of a process that was paused until its claim had ended, before it
// called a provider.
var errLate = fault.New(fault.Canceled, "claim_over", "the gateway was stopped before it could ask the provider; nothing was done")

// conclude saves an answer, and with it the operation to call next, if there is one.
// accepted means that the caller has been answered 202.
func (s *Service) conclude(ctx context.Context, st *stored, id string, a answer, inTime, accepted bool) (next string, err error) {
	st.cause = a.err
	ours, try := worker.LeaseOf(st.record), tryOf(st.payment.Operation(id))
	var began tryID // the next operation
	err = s.saveOutcome(ctx, st, func(st *stored) error {
		p := &st.payment
		if began.in(p) && p.Operation(began.id).Outcome == payment.Calling {
			return nil // it was saved, and only the answer was lost
		}
		next = ""
		op, held := p.Operation(id), ours.On(st.record) && try.in(p) // another try may have begun in the same instant
		if op == nil {
			return nil
		}
		s.applyAnswer(st, op, a, held)
		if !held {
			if op.Outcome.Open() && op.AcceptedAt.IsZero() {
				op.AcceptedAt = s.Clock.Now() // the caller of this try is answered 202, whoever ends the other
			}
			return nil
		}
		if op.Account == "" {
			s.recordAccount(p, op)
		}
		if accepted && op.AcceptedAt.IsZero() {
			op.AcceptedAt = s.Clock.Now()
		}
		switch {
		case op.Outcome == payment.Waiting: // applyAnswer has postponed it until it is known what the providers hold
		case op.Outcome.Open():
			s.release(st, s.Clock.Now()) // the resolver continues at once
		case inTime && s.failOver(p, *op, len(st.record.Body), a.err):
			p.Open().AcceptedAt = op.AcceptedAt
			began = tryOf(p.Open())
			next = began.id
			s.hold(st)
		case !op.AcceptedAt.IsZero() && retryable(op):
			s.postpone(st, op)
		}
		return nil
	})
	return next, err
}

// postpone keeps an accepted operation that did nothing open, so that it is tried again in
// the background.
func (s *Service) postpone(st *stored, op *payment.Operation) {
	op.Outcome = payment.Waiting
	if now := s.Clock.Now(); op.Request.Made != nil && now.Sub(op.StartedAt) > reviewAfter { // an intent that exists is not given up
		st.payment.Review(payment.ReviewUnknown, op.ID, now)
	}
	if op.Action == payment.Create || op.Action == payment.Confirm {
		st.payment.Status, st.payment.Error = payment.Processing, nil
	}
	wait, _ := retries.After(min(max(op.Tries, 1), len(retries)))
	s.release(st, s.Clock.Now().Add(wait))
	if able := s.eligible(&st.payment, op.Request); op.Creates() && len(able) > 0 { // the next try begins at the first eligible provider, so it waits in that provider's queue
		st.record.Queue = s.queues.Queue(able[0].Name())
	}
}

// repeat answers a request whose key the payment already has: with the answer that was
// given; with the present payment while the outcome is open; or, if it is proved that
// nothing was done, by trying again. Conflict: the answer was erased.
func (s *Service) repeat(ctx context.Context, by time.Time, st stored, key idempotency.Key) (Result, error) {
	op := st.payment.Under(key.Scoped)
	if op == nil {
		return Result{}, fault.New(fault.Internal, "operation_lost", "the operation of this key is not in its payment")
	}
	if err := key.Match(op.Fingerprint); err != nil {
		return Result{}, err
	}
	switch {
	case op.Erased:
		return Result{Payment: st.payment, Operation: *op}, errErased
	case op.Outcome == payment.Calling && s.Clock.Now().Before(op.LastTry().Add(answerWithin)):
		err := fault.New(fault.Conflict, idempotency.CodeInFlight, "the first request under this key is still under way")
		err.RetryAfter = time.Second
		return Result{Payment: st.payment, Operation: *op}, err
	case retryable(op) && op.Action == payment.Create && advanced(&st.payment, op):
		// The present payment is the answer. Nothing is begun.
		now := *op
		now.Kind = ""
		return Result{Payment: st.payment, Operation: now, Replayed: true}, nil
	case retryable(op):
		return s.again(ctx, by, st, op.ID)
	}
	s.hasten(ctx, &st)
	return replay(st.payment, *op)
}

// advanced reports whether something other than its create has changed a payment, or may
// have.
func advanced(p *payment.Payment, create *payment.Operation) bool {
	return p.ProviderReference != "" || p.Status.Terminal() || slices.ContainsFunc(p.Operations, func(op payment.Operation) bool {
		same := op.Action == create.Action && op.Key == create.Key
		return !same && (!op.DidNothing() || op.Unsure)
	})
}

// replay returns the answer that was given when the operation ended. While the operation is
// open there is no answer, and replay returns the present payment.
func replay(now payment.Payment, op payment.Operation) (Result, error) {
	then, err := answerOf(now, op)
	if err != nil {
		return Result{}, err
	}
	if answered := then.Operation(op.ID); answered != nil {
		op = *answered
	}
	return Result{Payment: then, Operation: op, Replayed: true}, failure(op)
}

// retryable reports whether it is proved that the operation did nothing, for a reason that
// may pass.
func retryable(op *payment.Operation) bool {
	if !op.DidNothing() {
		return false
	}
	kind := fault.ParseKind(op.Kind)
	rule := kind.Rule()
	return rule.Retry || rule.Failover || kind == fault.Overloaded || kind == fault.Canceled
}

// again tries an operation again. If the provider is still open, it begins at the first
// provider. The request and its amount stay the same.
func (s *Service) again(ctx context.Context, by time.Time, st stored, id string) (Result, error) {
	last := *st.payment.Operation(id)
	result, err := s.start(ctx, by, st, last.Key, func(p *payment.Payment) error {
		newest := p.Under(last.Key)
		switch {
		case newest == nil || newest.ID != last.ID || newest.Tries != last.Tries: // nil: the key has expired
			return fault.New(fault.Conflict, idempotency.CodeInFlight, "another repeat of this key is under way")
		case last.Action == payment.Create && advanced(p, newest):
			return errAdvanced
		case newest.Creates() && s.expired(*p):
			return errExpired
		}
		return s.resume(p, newest)
	})
	if err == errAdvanced { //nolint:errorlint // our own sentinel, returned as it is
		fresh, err := s.records.Get(ctx, st.payment.Tenant, st.payment.ID)
		if err != nil {
			return Result{}, err
		}
		return s.repeat(ctx, by, fresh, idempotency.Key{Scoped: last.Key, Fingerprint: last.Fingerprint})
	}
	return result, err
}

// errAdvanced reports that the payment has advanced before its create was tried again.
var errAdvanced = fault.New(fault.Conflict, codeInProgress, "another operation was done on this payment meanwhile")

// resume begins a further try of an operation that did nothing.
func (s *Service) resume(p *payment.Payment, op *payment.Operation) error {
	if err := allowed(p, op); err != nil {
		if f := fault.From(err); f.Kind == fault.Invalid { // the request was valid when it was made
			return fault.New(fault.Conflict, payment.CodeState, "the payment has moved on: "+f.Message)
		}
		return err
	}
	key := idempotency.Key{Scoped: op.Key, Fingerprint: op.Fingerprint}
	switch {
	case !op.Creates():
		if op.Action == payment.Confirm {
			p.Status, p.NextAction, p.Error = payment.Processing, nil, nil
		}
		return s.beginTry(p, op)
	case p.ProviderReference != "":
		return unexpected(p, "created again")
	}
	p.Status, p.Error = payment.Processing, nil
	return s.beginCreate(p, op.Action, key, op.Request)
}

// failure returns the error with which an operation was answered, nil if there was none.
func failure(op payment.Operation) error {
	if op.Kind == "" || op.Outcome.Open() {
		return nil
	}
	e := &fault.Error{Kind: fault.ParseKind(op.Kind), Op: "payments." + string(op.Action), Provider: op.Provider}
	if op.Error != nil {
		e.Code, e.DeclineCode, e.Message = op.Error.Code, op.Error.DeclineCode, op.Error.Message
	}
	return e
}
