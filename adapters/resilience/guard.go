package resilience

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"patchbay/core/fault"
	"patchbay/ports"
)

// guard holds the state shared by the calls of one provider.
type guard struct {
	provider string
	policy   Policy
	observe  func(Event)
	breaker  circuitbreaker.CircuitBreaker[any]
	bulkhead bulkhead.Bulkhead[any]
	share    *share
	budget   budget.Budget
	refused  atomic.Int64                // consecutive Refused failures without a success
	cause    atomic.Pointer[fault.Error] // the last failure that counted
	underway atomic.Int64                // calls in progress
}

// callType is the behaviour common to one type of calls.
type callType struct {
	// retry reports after which failures a call may be retried.
	retry func(fault.Kind) bool
	// resolves reports which failures show the outcome of earlier attempts whose outcome is
	// unknown. A success always does.
	resolves func(*fault.Error) bool
	// repeatable returns for how long after the first attempt a call may be retried once the
	// outcome of an attempt is unknown. Nil means without end.
	repeatable func() time.Duration
	// longest is the longest wait after which a call is tried again; 0 means any. What asks for a longer one is
	// for the caller to wait for.
	longest time.Duration
}

// withoutKey is for calls without an idempotency key, to stores and, as sends, to mail providers. They are
// retried only if nothing was done, and no later failure shows an unknown outcome.
var withoutKey = callType{retry: notDone, resolves: func(*fault.Error) bool { return false }}

// notDone reports the failures after which a call without an idempotency key may be
// retried.
func notDone(k fault.Kind) bool { return k.Rule().Retry && k != fault.UnknownOutcome }

func newGuard(provider string, o Options) *guard {
	g := &guard{provider: provider, policy: o.Policy, observe: o.Observe}
	if g.observe == nil {
		g.observe = func(Event) {}
	}
	b := o.Policy.Breaker
	g.breaker = circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			return err != nil && counts(fault.From(err)) && !errors.As(err, new(abandoned))
		}).
		WithFailureRateThreshold(float64(b.FailureRate)/100, uint(b.MinimumCalls), b.Window).
		WithSuccessThresholdRatio(probesGood, probes).
		WithDelay(b.Open).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			if err := e.LastError(); err != nil && fault.KindOf(err).Rule().Alert {
				return alertFactor * b.Open
			}
			return b.Open
		}).
		OnOpen(func(circuitbreaker.StateChangedEvent) { g.report(g.opened()) }).
		OnHalfOpen(func(circuitbreaker.StateChangedEvent) { g.report(Event{Decision: Probing}) }).
		OnClose(func(circuitbreaker.StateChangedEvent) { g.report(Event{Decision: Closed}) }).
		Build()
	g.bulkhead = bulkhead.NewBuilder[any](uint(o.Policy.Bulkhead)).WithMaxWaitTime(bulkheadWait).Build()
	g.share = newShare(o.Policy.Bulkhead)
	g.budget = budget.NewBuilder().WithMaxRate(float64(o.Policy.RetryBudget) / 100).Build()
	return g
}

func (g *guard) report(e Event) {
	e.Provider = g.provider
	g.observe(e)
}

// tried reports an attempt that has ended, and returns the event and the error. A failure that
// counts against the provider gets the provider's name. It does not count if the
// caller has given up.
func (g *guard) tried(e Event, err error, givenUp bool) (Event, error) {
	e.Decision = Tried
	if err != nil {
		if e.Counts = !givenUp && counts(fault.From(err)); e.Counts {
			err = g.blame(err)
		}
		e.Failed, e.Kind, e.Err = true, fault.KindOf(err), err
	}
	g.report(e)
	return e, err
}

// opened returns the event for the opening of the breaker, with its cause.
func (g *guard) opened() Event {
	e := Event{Decision: Opened}
	if cause := g.cause.Load(); cause != nil {
		e.Failed, e.Kind, e.Err, e.Counts = true, cause.Kind, cause, true
	}
	return e
}

// blame stores the provider's failure as the cause, and sets the provider's name in it if
// it has none.
func (g *guard) blame(err error) error {
	f := fault.From(err)
	if f.Provider == "" {
		named := *f
		named.Provider = g.provider
		if err != error(f) { //nolint:errorlint // what wraps it is kept, too
			named.Op, named.Err = "", err
		}
		f, err = &named, &named
	}
	g.cause.Store(f)
	return err
}

// Available implements ports.Availability. It returns Unavailable, with the time to wait, while
// the breaker is open.
func (g *guard) Available() error {
	if g.breaker.IsOpen() && g.breaker.RemainingDelay() > 0 {
		return g.breakerOpen()
	}
	return nil
}

// Underway returns the number of calls in progress.
func (g *guard) Underway() int { return int(g.underway.Load()) }

func (g *guard) breakerOpen() error {
	return &fault.Error{
		Kind: fault.Unavailable, Op: "resilience.skip", Provider: g.provider, Code: "breaker_open", Skipped: true,
		Message: "the provider keeps failing and is left alone for a while; nothing was done", RetryAfter: g.breaker.RemainingDelay(),
	}
}

// call makes a call with one argument within the policy of g: see guard.do.
func call[A, T any](ctx context.Context, g *guard, op string, of callType, next func(context.Context, A) (T, error), arg A) (T, error) {
	var result T
	err := g.do(ctx, op, of, func(ctx context.Context) (err error) {
		result, err = next(ctx, arg)
		return err
	})
	return result, err
}

// do makes a call within the policy.
//
// An unknown outcome is sticky: once the outcome of one attempt is unknown, a later failure
// that proves only that the later attempt did nothing leaves it unknown.
func (g *guard) do(ctx context.Context, op string, of callType, call func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Canceled, "resilience."+op, err)
	}
	callerErr := ctx.Err
	g.underway.Add(1)
	defer g.underway.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, g.policy.Deadline)
	defer cancel()
	c := &calls{guard: g, callType: of, op: op, began: time.Now()}
	c.deadline, _ = ctx.Deadline()
	if end, ok := ports.RetriesEnd(ctx); ok && end.Before(c.deadline) {
		c.deadline = end
	}
	// The bulkhead is outside the breaker: a call that found no place says nothing about
	// the provider.
	err := failsafe.With(c.retries(), g.share.of(ctx), g.bulkhead, g.breaker).WithContext(ctx).
		RunWithExecution(func(e failsafe.Execution[any]) error {
			attempt, cancel := context.WithTimeout(e.Context(), g.policy.Timeout)
			defer cancel()
			began := time.Now()
			err := call(attempt)
			givenUp := err != nil && errors.Is(callerErr(), context.Canceled)
			err = c.note(err, time.Since(began), givenUp)
			if givenUp {
				return abandoned{err}
			}
			return err
		})
	return c.result(err)
}

// reportRefusal reports which policy allowed no attempt, or no further one.
func (c *calls) reportRefusal(refused error) {
	switch {
	case errors.Is(refused, bulkhead.ErrFull):
		c.report(Event{Op: c.op, Decision: Overloaded})
	case errors.Is(refused, circuitbreaker.ErrOpen):
		c.report(Event{Op: c.op, Decision: Skipped})
	case errors.Is(refused, budget.ErrExceeded):
		c.report(Event{Op: c.op, Decision: Spared})
	}
}

// untried returns the error of an operation without an attempt.
func (c *calls) untried(refused error) error {
	switch {
	case errors.Is(refused, bulkhead.ErrFull):
		return &fault.Error{
			Kind: fault.Overloaded, Op: "resilience." + c.op, Provider: c.provider, Code: "overloaded",
			Message: "too many calls of this provider are under way; nothing was done", RetryAfter: time.Second,
		}
	case errors.Is(refused, circuitbreaker.ErrOpen):
		return c.breakerOpen()
	}
	return fault.Wrap(fault.Canceled, "resilience."+c.op, refused) // the context ended while the call waited for a place
}

// abandoned is the failure of a call whose caller has given up. The outcome may be unknown,
// but the failure says nothing about the provider.
type abandoned struct{ error }

// Unwrap returns the failure itself.
func (a abandoned) Unwrap() error { return a.error }

// counts reports whether a failure counts against the provider, unless it is abandoned.
func counts(f *fault.Error) bool { return f.Kind.Rule().Trips && !f.Blameless }

// result returns the error of the operation. refused is the error from the policies: their
// own, or that of the last attempt. If an attempt was made, its error says more than that there is no other one.
func (c *calls) result(refused error) error {
	c.reportRefusal(refused)
	err := c.last
	if c.tries == 0 {
		err = c.untried(refused)
	}
	if c.unknown == nil || err == nil || err == c.unknown || c.resolves(fault.From(err)) { //nolint:errorlint // this very one
		return err
	}
	// The later failure does not show the outcome of the first attempt with an unknown one.
	last := fault.From(err)
	shown := last
	if last.Kind != fault.UnknownOutcome {
		shown = fault.From(c.unknown)
	}
	return &fault.Error{
		Kind: fault.UnknownOutcome, Op: "resilience." + c.op, Provider: c.provider, Code: shown.Code, Message: shown.Message,
		RetryAfter: last.RetryAfter, Err: errors.Join(c.unknown, last),
	}
}
