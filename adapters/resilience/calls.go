package resilience

import (
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// calls holds the state of one operation's attempts.
type calls struct {
	*guard
	callType
	op       string
	began    time.Time
	deadline time.Time // no try begins later
	tries    int
	last     error // of the last attempt
	unknown  error // of the first attempt whose outcome is unknown
}

// note records an attempt: see guard.tried.
func (c *calls) note(err error, took time.Duration, givenUp bool) error {
	c.tries++
	e, err := c.tried(Event{Op: c.op, Attempt: c.tries, Took: took}, err, givenUp)
	if e.Kind == fault.UnknownOutcome && c.unknown == nil {
		c.unknown = err
	}
	c.last = err
	c.noteRefusal(e)
	return err
}

// noteRefusal reports when a provider refuses many requests in a row. A single refusal says
// nothing about the provider, but so many need a person's attention.
func (c *calls) noteRefusal(e Event) {
	switch {
	case !e.Failed && c.refused.Load() != 0:
		c.refused.Store(0)
	case e.Failed && e.Kind == fault.Refused && c.refused.Add(1)%refusedInARow == 0:
		c.report(Event{Op: c.op, Decision: Refusing, Failed: true, Kind: e.Kind, Err: e.Err})
	}
}

// forgotten reports whether the provider may have forgotten the key of an unknown call after a
// wait.
func (c *calls) forgotten(wait time.Duration) bool {
	return c.unknown != nil && c.repeatable != nil && time.Since(c.began)+wait >= c.repeatable()
}

// retries returns the retry policy of one operation, because it depends on the deadline.
// Errors from the policies themselves are not retried.
func (c *calls) retries() retrypolicy.RetryPolicy[any] {
	var wait time.Duration
	return retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			if err == nil || err != c.last { //nolint:errorlint // this very one, unwrapped
				return false
			}
			f := fault.From(err)
			if f.NoRetry || !c.retry(f.Kind) {
				return false
			}
			wait = httpclient.Wait(c.tries, c.policy.Backoff.Initial, c.policy.Backoff.Max, f.RetryAfter)
			return wait < time.Until(c.deadline) && (c.longest == 0 || wait <= c.longest) && !c.forgotten(wait)
		}).
		WithMaxAttempts(c.policy.Attempts).
		WithDelayFunc(func(failsafe.ExecutionAttempt[any]) time.Duration {
			c.report(Event{Op: c.op, Decision: Retried, Failed: true, Kind: fault.KindOf(c.last), Attempt: c.tries, Wait: wait})
			return wait
		}).
		WithBudget(c.budget).
		ReturnLastFailure().Build()
}
