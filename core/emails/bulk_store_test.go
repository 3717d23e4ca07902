package emails_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/tests/memjournal"
)

// withFailed runs a test with n messages that have failed, and whose first provider would refuse them again.
// fail is asked by the journal once it is set.
func withFailed(t *testing.T, n int, test func(t *testing.T, r rig, ids []string, fail *atomic.Pointer[func(op string) error])) {
	t.Helper()
	var fail atomic.Pointer[func(op string) error]
	ask := func(op string) error {
		if f := fail.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}
	within(t, always(fault.Invalid), nil, ask, func(t *testing.T, r rig) {
		var ids []string
		for range n {
			ids = append(ids, r.accept(t, draft()).ID)
			pass(time.Second)
		}
		test(t, r, ids, &fail)
	})
}

// Somebody else may retry a message between the list and its retry.
func TestWhatWasRetriedSinceItWasListedIsSkipped(t *testing.T) {
	withFailed(t, 1, func(t *testing.T, r rig, ids []string, fail *atomic.Pointer[func(op string) error]) {
		meanwhile := func(op string) error {
			if op != memjournal.Get {
				return nil
			}
			fail.Store(nil)
			_, err := r.Retry(t.Context(), tenant, ids[0])
			synctest.Wait() // it is refused, and has failed again
			return err
		}
		fail.Store(&meanwhile)
		got := r.retryAll(t, emails.RetrySet{Status: email.Failed}, "", 100)
		synctest.Wait()
		equal(t, "retried", got.Retried, 0)
		equal(t, "skipped", got.Skipped, 1)
		equal(t, "calls of the provider", r.first.tried(), 2)
	})
}

func TestASetIsReadInFewCalls(t *testing.T) {
	withFailed(t, 250, func(t *testing.T, r rig, _ []string, fail *atomic.Pointer[func(op string) error]) {
		var lists atomic.Int64
		count := func(op string) error {
			if op == memjournal.List {
				lists.Add(1)
			}
			return nil
		}
		fail.Store(&count)
		got := r.retryAll(t, emails.RetrySet{Status: email.Failed, Code: "another"}, "", 1)
		equal(t, "retried", got.Retried, 0)
		equal(t, "there are more", got.Next != "", false)
		equal(t, "lists", lists.Load(), 3)
	})
}

// The answer says how many were retried before the store failed, and a repeat goes on behind those.
func TestAStoreThatFailsInTheMiddleOfASetHidesNothingThatWasRetried(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Unavailable, fault.UnknownOutcome} {
		t.Run(kind.String(), func(t *testing.T) {
			withFailed(t, 5, func(t *testing.T, r rig, ids []string, fail *atomic.Pointer[func(op string) error]) {
				var reads atomic.Int64
				third := func(op string) error {
					if op == memjournal.Get && reads.Add(1) > 2 {
						return fault.New(kind, "scripted", "")
					}
					return nil
				}
				fail.Store(&third)
				set := emails.RetrySet{Status: email.Failed}
				first := r.retryAll(t, set, "", 100)
				equal(t, "retried before the store failed", first.Retried, 2)
				_, err := r.RetryAll(t.Context(), tenant, set, first.Next, 100)
				equal(t, "kind of the error when nothing was retried", fault.KindOf(err), kind)
				fail.Store(nil)
				synctest.Wait() // those that were retried have failed again
				rest := r.retryAll(t, set, first.Next, 100)
				synctest.Wait()
				equal(t, "retried by a repeat", rest.Retried, 3)
				equal(t, "there are more", rest.Next != "", false)
				equal(t, "calls of the provider", fmt.Sprint(r.first.tried()), fmt.Sprint(2*len(ids)))
			})
		})
	}
}
