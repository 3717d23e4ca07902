package payments

import (
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
)

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
	case retryable(op) && op.Action == payment.Create && movedOn(&st.payment, op):
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

// movedOn reports whether something other than its create has changed a payment, or may
// have.
func movedOn(p *payment.Payment, create *payment.Operation) bool {
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
	if op.Outcome != payment.NotSent && op.Outcome != payment.NotExecuted {
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
		case last.Action == payment.Create && movedOn(p, newest):
			return errMoved
		case newest.Creates() && s.expired(*p):
			return errExpired
		}
		return s.resume(p, newest)
	})
	if err == errMoved { //nolint:errorlint // our own sentinel, returned as it is
		fresh, err := s.load(ctx, st.payment.Tenant, st.payment.ID)
		if err != nil {
			return Result{}, err
		}
		return s.repeat(ctx, by, fresh, idempotency.Key{Scoped: last.Key, Fingerprint: last.Fingerprint})
	}
	return result, err
}

// errMoved reports that the payment has advanced before its create was tried again.
var errMoved = fault.New(fault.Conflict, codeInProgress, "another operation was done on this payment meanwhile")

// resume begins a further try of an operation that did nothing.
func (s *Service) resume(p *payment.Payment, op *payment.Operation) error {
	if err := allowed(p, op); err != nil {
		if f := fault.From(err); f.Kind == fault.Invalid { // the request was valid when it was made
			return fault.New(fault.Conflict, codeState, "the payment has moved on: "+f.Message)
		}
		return err
	}
	key := idempotency.Key{Scoped: op.Key, Fingerprint: op.Fingerprint}
	switch {
	case !op.Creates():
		if op.Action == payment.Confirm {
			p.Status, p.NextAction, p.Error = payment.Processing, nil, nil
		}
		return s.try(p, op)
	case p.ProviderReference != "":
		return unexpected(p, "created again")
	}
	p.Status, p.Error = payment.Processing, nil
	return s.place(p, op.Action, key, op.Request)
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
