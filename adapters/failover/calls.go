package failover

import (
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// calls are the tries of one operation.
type calls struct {
	*guard
	sort
	op       string
	deadline time.Time
	tries    int
	last     error // of the last try
	unknown  error // of the first try whose outcome is not known
}

// note tells of a try. left says that its caller has gone.
func (c *calls) note(err error, took time.Duration, left bool) error {
	c.tries++
	e := Event{Op: c.op, Decision: Tried, Attempt: c.tries, Took: took}
	if err != nil {
		if e.Counts = !left && blames(fault.From(err)); e.Counts {
			err = c.blame(err)
		}
		e.Failed, e.Kind, e.Err = true, fault.KindOf(err), err
		if e.Kind == fault.UnknownOutcome && c.unknown == nil {
			c.unknown = err
		}
	}
	c.last = err
	c.tell(e)
	c.refusing(e)
	return err
}

// refusing tells when a provider refuses one request after the other. Each for
// itself says nothing of the provider, but so many ask for a person.
func (c *calls) refusing(e Event) {
	switch {
	case !e.Failed && c.refused.Load() != 0:
		c.refused.Store(0)
	case e.Failed && e.Kind == fault.Refused && c.refused.Add(1)%refusedInARow == 0:
		c.tell(Event{Op: c.op, Decision: Refusing, Failed: true, Kind: e.Kind, Err: e.Err})
	}
}

// retries is made for each operation: it knows its deadline. What the policies
// themselves refuse is not tried again.
func (c *calls) retries() retrypolicy.RetryPolicy[any] {
	var wait time.Duration
	return retrypolicy.NewBuilder[any]().
		HandleIf(func(_ any, err error) bool {
			if err == nil || err != c.last { //nolint:errorlint // this very one, unwrapped
				return false
			}
			f := fault.From(err)
			if f.NoRetry || !c.again(f.Kind) {
				return false
			}
			wait = httpclient.Wait(c.tries, c.policy.Backoff.Initial, c.policy.Backoff.Max, f.RetryAfter)
			return wait < time.Until(c.deadline)
		}).
		WithMaxAttempts(c.policy.Attempts).
		WithDelayFunc(func(failsafe.ExecutionAttempt[any]) time.Duration {
			c.tell(Event{Op: c.op, Decision: Retried, Failed: true, Kind: fault.KindOf(c.last), Attempt: c.tries, Wait: wait})
			return wait
		}).
		WithBudget(c.budget).
		ReturnLastFailure().Build()
}
