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

// sort is the behaviour common to one kind of calls.
type sort struct {
	// again reports after which failures a call may be retried.
	again func(fault.Kind) bool
	// settles reports which failures settle the outcome of earlier attempts whose outcome
	// is unknown. A success always does.
	settles func(*fault.Error) bool
}

func newGuard(provider string, o Options) *guard {
	g := &guard{provider: provider, policy: o.Policy, observe: o.Observe}
	if g.observe == nil {
		g.observe = func(Event) {}
	}
	b := o.Policy.Breaker
	g.breaker = circuitbreaker.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool { return counts(err) }).
		WithFailureRateThreshold(float64(b.FailureRate)/100, uint(b.MinimumCalls), b.Window).
		WithSuccessThresholdRatio(probesGood, probes).
		WithDelay(b.Open).
		WithDelayFunc(func(e failsafe.ExecutionAttempt[any]) time.Duration {
			if err := e.LastError(); err != nil && fault.KindOf(err).Rule().Alert {
				return alertFactor * b.Open
			}
			return b.Open
		}).
		OnOpen(func(circuitbreaker.StateChangedEvent) { g.tell(g.opened()) }).
		OnHalfOpen(func(circuitbreaker.StateChangedEvent) { g.tell(Event{Decision: Probing}) }).
		OnClose(func(circuitbreaker.StateChangedEvent) { g.tell(Event{Decision: Closed}) }).
		Build()
	g.bulkhead = bulkhead.NewBuilder[any](uint(o.Policy.Bulkhead)).WithMaxWaitTime(bulkheadWait).Build()
	g.share = newShare(o.Policy.Bulkhead)
	g.budget = budget.NewBuilder().WithMaxRate(float64(o.Policy.RetryBudget) / 100).Build()
	return g
}

func (g *guard) tell(e Event) {
	e.Provider = g.provider
	g.observe(e)
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
	err = named(err, fault.From(err), g.provider)
	g.cause.Store(fault.From(err))
	return err
}

// available returns Unavailable, with the time to wait, while the breaker is open.
func (g *guard) available() error {
	if g.breaker.IsOpen() && g.breaker.RemainingDelay() > 0 {
		return g.open()
	}
	return nil
}

func (g *guard) open() error {
	return &fault.Error{
		Kind: fault.Unavailable, Op: "resilience.skip", Provider: g.provider, Code: "breaker_open",
		Message: "the provider keeps failing and is left alone for a while; nothing was done", RetryAfter: g.breaker.RemainingDelay(),
	}
}

// do makes a call within the policy.
//
// An unknown outcome is sticky: once the outcome of one attempt is unknown, a later failure
// that proves only that the later attempt did nothing leaves it unknown.
func (g *guard) do(ctx context.Context, op string, of sort, call func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Canceled, "resilience."+op, err)
	}
	caller := ctx.Err
	g.underway.Add(1)
	defer g.underway.Add(-1)
	ctx, cancel := context.WithTimeout(ctx, g.policy.Deadline)
	defer cancel()
	c := &calls{guard: g, op: op, sort: of}
	c.deadline, _ = ctx.Deadline()
	// The bulkhead is outside the breaker: a call that found no place says nothing about
	// the provider.
	err := failsafe.With(c.retries(), g.share.of(ctx), g.bulkhead, g.breaker).WithContext(ctx).
		RunWithExecution(func(e failsafe.Execution[any]) error {
			attempt, cancel := context.WithTimeout(e.Context(), g.policy.Timeout)
			defer cancel()
			began := time.Now()
			err := call(attempt)
			left := err != nil && errors.Is(caller(), context.Canceled)
			err = c.note(err, time.Since(began), left)
			if left {
				return abandoned{err}
			}
			return err
		})
	return c.result(err)
}

// abandoned is the failure of a call whose caller has given up. The outcome may be unknown,
// but the failure says nothing about the provider.
type abandoned struct{ error }

// Unwrap returns the failure itself.
func (a abandoned) Unwrap() error { return a.error }

// counts reports whether a failure counts against the provider.
func counts(err error) bool {
	var left abandoned
	return err != nil && blames(fault.From(err)) && !errors.As(err, &left)
}

func blames(f *fault.Error) bool { return f.Kind.Rule().Trips && !f.Blameless }

// result returns the error of the operation. refused is the error from the policies: their
// own, or that of the last attempt.
func (c *calls) result(refused error) error {
	err := c.last
	switch {
	case errors.Is(refused, bulkhead.ErrFull):
		c.tell(Event{Op: c.op, Decision: Overloaded})
		err = &fault.Error{
			Kind: fault.Overloaded, Op: "resilience." + c.op, Provider: c.provider, Code: "overloaded",
			Message: "too many calls of this provider are under way; nothing was done", RetryAfter: time.Second,
		}
	case errors.Is(refused, circuitbreaker.ErrOpen):
		c.tell(Event{Op: c.op, Decision: Skipped})
		err = c.open()
	case errors.Is(refused, budget.ErrExceeded):
		c.tell(Event{Op: c.op, Decision: Spared})
	case c.tries == 0: // the context ended while the call waited for a place
		err = fault.Wrap(fault.Canceled, "resilience."+c.op, refused)
	}
	if c.unknown == nil || err == nil || err == c.unknown || c.settles(fault.From(err)) { //nolint:errorlint // this very one
		return err
	}
	return c.unsettled(fault.From(err))
}

// unsettled returns the error for an operation whose later failure does not settle the
// first attempt with an unknown outcome.
func (c *calls) unsettled(last *fault.Error) error {
	told := last
	if last.Kind != fault.UnknownOutcome {
		told = fault.From(c.unknown)
	}
	return &fault.Error{
		Kind: fault.UnknownOutcome, Op: "resilience." + c.op, Provider: c.provider, Code: told.Code, Message: told.Message,
		RetryAfter: last.RetryAfter, Err: errors.Join(c.unknown, last),
	}
}
