package payments_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// alone says that a provider is left alone for so long.
func alone(wait time.Duration) error {
	return &fault.Error{Kind: fault.Unavailable, Code: "breaker_open", RetryAfter: wait}
}

func TestRetryAfterIsThatOfTheFirstEligibleProvider(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		waits []time.Duration
		want  time.Duration
	}{
		"the last is the soonest":  {[]time.Duration{25 * time.Second, 20 * time.Second, 17 * time.Second}, 17 * time.Second},
		"the first is the soonest": {[]time.Duration{11 * time.Second, 20 * time.Second, 17 * time.Second}, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				for i, p := range r.all {
					p.leaveAlone(alone(tt.waits[i]))
					p.failBefore(func(_ context.Context, _ payment.Action, _ int) error { return alone(tt.waits[i]) })
				}
				_, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if f := fault.From(err); f.Kind != fault.Unavailable || f.RetryAfter != tt.want {
					t.Errorf("%v after %s, want %s", err, f.RetryAfter, tt.want)
				}
			})
		})
	}
}

// A process that is stopped between what it has written and its call finds that its time
// is over, and calls nobody.
func TestProcessWithExpiredClaimCallsNoProvider(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		var stopped atomic.Bool
		fail := func(op string) error {
			if op == memjournal.Saved && stopped.CompareAndSwap(false, true) {
				<-time.After(2 * time.Minute)
			}
			return nil
		}
		r.fail.Store(&fail)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = r.pay(t, "k")
		}()
		<-time.After(30 * time.Second)
		if n := r.provider.called(); n != 0 {
			t.Errorf("%d calls", n)
		}
		<-done
		if n := r.provider.called(); n != 1 { // of the worker that took it over
			t.Errorf("%d calls", n)
		}
		if res, err := r.pay(t, "k"); err != nil || res.Payment.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Errorf("%+v, %v", res.Payment, err)
		}
	})
}

func TestAKeyThatHasExpiredIsNewAtTheProvider(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		seen := map[string]bool{}
		for range 3 {
			res, err := r.pay(t, "k")
			if err != nil || res.Replayed || seen[res.Payment.ID] || seen[res.Payment.Operations[0].ProviderKey] {
				t.Fatalf("%+v, %v", res.Payment, err)
			}
			seen[res.Payment.ID], seen[res.Payment.Operations[0].ProviderKey] = true, true
			<-time.After(idempotency.Kept + 2*time.Minute)
		}
		if r.provider.captured() != 3 {
			t.Errorf("%d charges", r.provider.captured())
		}
	})
}

// What "all that is left" means is read again with the payment, where somebody was
// quicker.
func TestFullRefundTakesTheRemainderAtTheTimeOfSaving(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		id, first := res.Payment.ID, true
		fail := func(op string) error {
			if op == memjournal.Save && first {
				first = false
				if _, err := r.Refund(t.Context(), tenant, id, 300, idempotency.Key{}); err != nil {
					t.Error(err)
				}
			}
			return nil
		}
		r.fail.Store(&fail)
		rest, err := r.Refund(t.Context(), tenant, id, 0, idempotency.Key{})
		if err != nil || rest.Operation.Amount != 950 || !rest.Operation.All || rest.Payment.AmountRefunded != 1250 {
			t.Errorf("%+v, %v", rest.Operation, err)
		}
	})
}
