package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// slow makes the journal take its time at a moment, and the provider hang.
func (r *rig) slow(moment string, took time.Duration) {
	fail := func(op string) error {
		if op == moment {
			<-time.After(took)
		}
		return nil
	}
	r.fail.Store(&fail)
	r.provider.failBefore(func(context.Context, payment.Action, int) error {
		<-time.After(20 * time.Second)
		return nil
	})
}

// The eight seconds are of the whole request: a slow store is no excuse.
func TestStoreClockCountsForExpiry(t *testing.T) {
	for name, moment := range map[string]string{"saving": memjournal.Save, "reading": memjournal.Get} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				paid, err := r.pay(t, "k")
				if err != nil {
					t.Fatal(err)
				}
				r.slow(moment, 3*time.Second)
				start := time.Now()
				res, err := r.Refund(t.Context(), tenant, paid.Payment.ID, 0, key("r", "a"))
				if took := time.Since(start); took != 8*time.Second || err != nil || res.Operation.Outcome != payment.Calling {
					t.Errorf("after %s: %+v, %v", took, res.Operation, err)
				}
				r.fail.Store(nil)
				r.waitClosed(t, paid.Payment.ID, time.Minute)
			})
		})
	}
	t.Run("of a new payment", func(t *testing.T) {
		onVirtualTime(t, func(t *testing.T, r *rig) {
			r.slow(memjournal.Save, 3*time.Second)
			start := time.Now()
			res, err := r.pay(t, "k")
			if took := time.Since(start); took != 8*time.Second || err != nil || res.Payment.Status != payment.Processing {
				t.Errorf("after %s: %+v, %v", took, res.Payment, err)
			}
			r.fail.Store(nil)
			r.waitClosed(t, res.Payment.ID, time.Minute)
		})
	})
}

// The answer is lost, and with it the caller's time.
func TestExpiredPaymentIsReread(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		ctx, end := context.WithCancel(t.Context())
		saves := 0
		fail := func(op string) error {
			if op != memjournal.Saved {
				return nil
			}
			if saves++; saves == 1 {
				end()
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		}
		r.fail.Store(&fail)
		res, err := r.Create(ctx, tenant, request(), key("k", "a"))
		if err != nil || res.Payment.Status != payment.Succeeded {
			t.Errorf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
		}
	})
}

// The store goes away for a moment while the provider is at work: what the provider
// has answered is not thrown away.
func TestAnOutcomeIsSavedWhenTheStoreIsBack(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		saves := 0
		back := time.Now().Add(5 * time.Second)
		fail := func(op string) error {
			if op != memjournal.Save {
				return nil
			}
			if saves++; saves > 1 && time.Now().Before(back) {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		}
		r.fail.Store(&fail)
		res, err := r.pay(t, "k")
		if err != nil || res.Payment.Status != payment.Succeeded || r.provider.called() != 1 {
			t.Errorf("%+v, %v, after %d calls", res.Payment, err, r.provider.called())
		}
	})
}
