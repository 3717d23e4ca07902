package payments_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

func (r *rig) told(t *testing.T) (types []string) {
	t.Helper()
	events, err := r.journal.Feed(t.Context(), tenant, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// slowly makes the nth call take longer than its caller waits.
func slowly(nth int, err error) script {
	return func(_ context.Context, _ payment.Action, n int) error {
		if n != nth {
			return nil
		}
		<-time.After(20 * time.Second)
		return err
	}
}

// The caller was answered 202, and learns from the feed that the provider has refused for
// good.
func TestAnAcceptedRefundThatIsRefusedIsTold(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		r.provider.failBefore(slowly(2, fault.New(fault.Invalid, "charge_not_refundable", "")))
		refund, err := r.Refund(t.Context(), tenant, res.Payment.ID, 100, opKey("refund", "r"))
		if err != nil || !refund.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", refund.Operation, err)
		}
		<-time.After(24 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if told := r.told(t); p.Open() == nil && !p.NeedsReview && !slices.Contains(told, "payment.refund_failed") {
			t.Errorf("accepted, then %s (%s); the feed tells %v", p.Operations[1].Outcome, p.Operations[1].Kind, told)
		}
	})
}

// Part was given back at the dashboard meanwhile; the background does as a caller who
// waits is done by.
func TestAnAcceptedRefundOfAllGetsWhatIsLeft(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		r.provider.mu.Lock()
		r.provider.refunds["dashboard"] = payment.ProviderRefund{Reference: "re_9", Intent: "pi_1", Amount: 1000, Status: "succeeded"}
		r.provider.intents["pi_1"].AmountRefunded = 1000
		r.provider.mu.Unlock()
		r.provider.failBefore(slowly(2, fault.New(fault.Invalid, "amount_too_large", "")))
		refund, err := r.Refund(t.Context(), tenant, res.Payment.ID, 0, opKey("refund", "all"))
		if err != nil || !refund.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", refund.Operation, err)
		}
		<-time.After(24 * time.Hour)
		p, told := r.status(t, res.Payment.ID), r.told(t)
		if len(r.provider.refunds) != 2 && !slices.Contains(told, "payment.refund_failed") && !p.NeedsReview {
			t.Errorf("accepted, then %s (%s), %d refunded here; the feed tells %v", p.Operations[1].Outcome, p.Operations[1].Kind, p.AmountRefunded, told)
		}
	})
}

// A capture that was given up once is accepted anew by a repeat of its key.
func TestWhatIsAcceptedAgainHasItsTimeAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		create := request()
		create.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		id := res.Payment.ID
		var down atomic.Bool
		down.Store(true)
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n == 2 {
				<-time.After(20 * time.Second)
			}
			if down.Load() {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		})
		if _, err := r.Capture(t.Context(), tenant, id, 0, opKey("capture", "c")); err != nil {
			t.Fatal(err)
		}
		r.settled(t, id, 20*time.Minute) // given up
		<-time.After(time.Hour)
		again, err := r.Capture(t.Context(), tenant, id, 0, opKey("capture", "c"))
		if err != nil || !again.Operation.Outcome.Open() {
			t.Skipf("the caller is told that nothing was done, and that is well: %v", err)
		}
		<-time.After(time.Second)
		down.Store(false)
		<-time.After(20 * time.Minute)
		if p := r.status(t, id); p.Status != payment.Succeeded {
			t.Errorf("accepted with 202 a second before the provider was back; %s, %s after %d tries", p.Status, p.Operations[1].Outcome, p.Operations[1].Tries)
		}
	})
}

// The eight seconds are over while a refusal is being saved for the caller. What is saved
// does not say that the gateway tries again, so the caller is not told so: it waits a
// moment for the refusal.
func TestNobodyIsToldAcceptedWhileARefusalIsSaved(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		var saves atomic.Int64
		fail := func(op string) error {
			if op != memjournal.Save {
				return nil
			}
			switch saves.Add(1) {
			case 2: // of the refusal: the caller leaves meanwhile
				<-time.After(1500 * time.Millisecond)
			case 3: // the process dies here
				return fault.New(fault.Internal, "scripted", "")
			}
			return nil
		}
		r.fail.Store(&fail)
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n == 1 {
				<-time.After(7 * time.Second)
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		})
		res, err := r.pay(t, "k")
		if !fault.Is(err, fault.Unavailable) {
			t.Fatalf("%+v, %v", res, err)
		}
		<-time.After(24 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if told := r.told(t); p.Status != payment.RequiresConfirmation || slices.Contains(told, "payment.create_failed") {
			t.Errorf("accepted with 202; a day later it is %s, after %d calls; the feed tells %v", p.Status, r.provider.called(), told)
		}
	})
}

// The same with a payment that has an intent; a repeat tries again.
func TestNoCaptureIsAcceptedWhileItsRefusalIsSaved(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		create := request()
		create.CaptureMethod = payment.CaptureManual
		first, err := r.Create(t.Context(), tenant, create, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		var saves atomic.Int64
		fail := func(op string) error {
			if op == memjournal.Save && saves.Add(1) == 2 {
				<-time.After(1500 * time.Millisecond)
			}
			return nil
		}
		r.fail.Store(&fail)
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n == 2 {
				<-time.After(7 * time.Second)
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		})
		if _, err := r.Capture(t.Context(), tenant, first.Payment.ID, 0, opKey("capture", "c")); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("%v", err)
		}
		if done, err := r.Capture(t.Context(), tenant, first.Payment.ID, 0, opKey("capture", "c")); err != nil || done.Payment.Status != payment.Succeeded {
			t.Errorf("%+v, %v", done.Payment, err)
		}
	})
}
