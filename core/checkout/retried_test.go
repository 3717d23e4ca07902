package checkout_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// An accepted payment whose outcome is unknown is only looked for once it has expired.
func TestAPaymentIsNotTriedAfterItHasExpired(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		start := time.Now()
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			if time.Since(start) < 10*time.Minute {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		create := request()
		create.ExpiresAt = start.Add(time.Minute)
		if res, err := r.Create(t.Context(), tenant, create, key("k", "a")); err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", res, err)
		}
		<-time.After(20 * time.Minute)
		if n := r.provider.captured(); n > 0 {
			t.Errorf("charged, %s after it was asked for, and it expired after a minute", time.Since(start).Truncate(time.Minute))
		}
	})
}

// It waits with what waits for the first provider, not behind the unknown outcomes of the
// last one that refused it.
func TestAnAcceptedPaymentWaitsForNoOtherProvidersOutage(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		start := time.Now()
		r.hang(fault.Unavailable, 3*time.Minute)
		r.all[1].failBefore(always(fault.Unavailable))
		r.all[2].failBefore(always(fault.Unavailable))
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(15 * time.Second)
		r.all[2].failBefore(func(ctx context.Context, _ payment.Action, _ int) error {
			<-ctx.Done()
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		r.all[2].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		var all sync.WaitGroup
		for n := range 1000 {
			all.Go(func() {
				create := checkout.CreateRequest{Amount: 1, Currency: "usd", PaymentMethods: map[string]string{"third": "pm_ok"}, Confirm: true}
				create.Amount = 100
				if _, err := r.Create(t.Context(), tenant, create, key(fmt.Sprint("u", n), "a")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		<-time.After(30 * time.Minute)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Succeeded {
			t.Errorf("%s after %s, though the first provider was well from the third minute on; called %d times", p.Status, time.Since(start), r.provider.called())
		}
	})
}

// What is asked for again after it was proved that nothing was done is accepted anew: its
// 15 minutes begin again.
func TestARefundAfterProvedAbsenceHasItsTimeAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		id := res.Payment.ID
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		if _, err := r.Refund(t.Context(), tenant, id, 100, opKey("refund", "r")); err != nil {
			t.Fatal(err)
		}
		if p := r.settled(t, id, 4*time.Hour); p.Operations[1].Outcome != payment.NotExecuted {
			t.Fatalf("%+v", p.Operations[1])
		}
		down := time.Now()
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			if time.Since(down) < time.Minute {
				return fault.New(fault.RateLimited, "scripted", "")
			}
			return nil
		})
		again, err := r.Refund(t.Context(), tenant, id, 100, opKey("refund", "r"))
		if err != nil || !again.Operation.Outcome.Open() {
			t.Skip("it is told that nothing was done")
		}
		<-time.After(time.Hour)
		if n := len(r.provider.refunds); n != 1 {
			t.Errorf("answered 202; %d refunds an hour later", n)
		}
	})
}
