package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// An accepted payment whose outcome is unknown is only looked for once it has expired.
func TestAPaymentIsNotTriedAfterItHasExpired(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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
			t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
		}
		<-time.After(20 * time.Minute)
		if n := r.provider.captured(); n > 0 {
			t.Errorf("charged, %s after it was asked for, and it expired after a minute", time.Since(start).Truncate(time.Minute))
		}
	})
}

// It is tried again from the first provider on, so it waits with what waits for that, and
// not behind what is unknown at the last one that refused it.
func TestAnAcceptedPaymentWaitsForItsFirstProvider(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		r.hang(fault.Unavailable, time.Minute)
		for _, p := range r.all[1:] {
			p.failBefore(always(fault.Unavailable))
		}
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(13 * time.Second)
		record, err := r.journal.Get(t.Context(), tenant, "payment", res.Payment.ID)
		if err != nil || record.Queue != "payments:first" || record.Owner != "" {
			t.Errorf("%v: in %q of %q", err, record.Queue, record.Owner)
		}
		if p := r.waitClosed(t, res.Payment.ID, 5*time.Minute); p.Status != payment.Succeeded || p.Provider != "first" {
			t.Errorf("%+v", p)
		}
	})
}

// What is asked for again after it was proved that nothing was done is accepted anew: its
// 15 minutes begin again.
func TestARefundAfterProvedAbsenceHasItsTimeAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		id := res.Payment.ID
		r.provider.failBefore(func(_ context.Context, _ payment.Action, _ int) error {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		})
		if _, err := r.Refund(t.Context(), tenant, id, 100, opKey("refund", "r")); err != nil {
			t.Fatal(err)
		}
		if p := r.waitClosed(t, id, 4*time.Hour); p.Operations[1].Outcome != payment.NotExecuted {
			t.Fatalf("%+v", p.Operations[1])
		}
		down := time.Now()
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			if time.Since(down) < time.Minute {
				<-time.After(9 * time.Second) // longer than the caller waits
				return fault.New(fault.RateLimited, "scripted", "")
			}
			return nil
		})
		again, err := r.Refund(t.Context(), tenant, id, 100, opKey("refund", "r"))
		if err != nil || !again.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", again.Operation.Outcome, err)
		}
		<-time.After(time.Hour)
		if n := len(r.provider.refunds); n != 1 {
			t.Errorf("answered 202; %d refunds an hour later", n)
		}
	})
}

// Whoever is told that nothing was done may ask again, but not for what was to be paid before now.
func TestACreateThatWasRefusedIsNotTriedAgainAfterItsExpiresAt(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		req := request()
		req.ExpiresAt = time.Now().Add(10 * time.Minute)
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("got %v, want unavailable", err)
		}
		<-time.After(20 * time.Minute)
		if _, err := r.Create(t.Context(), tenant, req, key("k", "a")); fault.From(err).Code != "expires_in_the_past" {
			t.Errorf("got %v, want expires_in_the_past", err)
		}
		if n := r.provider.captured(); n != 0 {
			t.Errorf("got %d charges of %s, want none", n, first.Payment.ID)
		}
	})
}
