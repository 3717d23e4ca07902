package payments_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// The provider refuses a create, and the answer of the store to the save of that is lost. Before
// it is read again, a repeat of the key begins the next try, in the same process and in the same
// instant: the leases of both are equal. What the first try was answered ends the second neither
// in the payment nor in what its own caller was told.
func TestOutcomeDoesNotEndAnotherTryOfTheSameInstant(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]error{
		"the next try is made":    nil,
		"the next try is refused": fault.New(fault.Unavailable, "scripted", ""),
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				answer, repeated := make(chan struct{}), make(chan error, 1)
				r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
					switch n {
					case 1:
						return fault.New(fault.Unavailable, "scripted", "")
					case 2:
						<-answer
						return next
					}
					return nil
				})
				var saved atomic.Int64
				lose := func(op string) error {
					if op != memjournal.Saved || saved.Add(1) != 2 {
						return nil
					}
					go func() {
						_, err := r.pay(t, "k")
						repeated <- err
					}()
					synctest.Wait() // it is at the provider
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				r.fail.Store(&lose)
				began := time.Now()
				first, err := r.pay(t, "k")
				if err != nil || !first.Operation.Outcome.Open() || time.Since(began) != 0 {
					t.Errorf("got %s, %v after %s for the first request, want the payment as it is at once", first.Operation.Outcome, err, time.Since(began))
				}
				if now, err := r.Get(t.Context(), tenant, first.Payment.ID); err != nil || now.Open() == nil || now.Open().Outcome != payment.Calling {
					t.Errorf("got %+v, want the second try under way", now.Operations)
				}
				close(answer)
				if err := <-repeated; err != nil {
					t.Errorf("got %v for the repeat", err)
				}
				<-time.After(5 * time.Minute)
				if now, err := r.Get(t.Context(), tenant, first.Payment.ID); err != nil || now.Status != payment.Succeeded || r.provider.captured() != 1 {
					t.Errorf("got %s, %d charges, want what was accepted to succeed", now.Status, r.provider.captured())
				}
			})
		})
	}
}
