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

func (r *rig) feedTypes(t *testing.T) (types []string) {
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

// The caller was answered 202, so that only the feed can report the refusal.
func TestRefusalOfAcceptedRefundIsInTheFeed(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		r.provider.failBefore(slowly(2, fault.New(fault.Invalid, "charge_not_refundable", "")))
		refund, err := r.Refund(t.Context(), tenant, res.Payment.ID, 100, opKey("refund", "r"))
		if err != nil || !refund.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", refund.Operation.Outcome, err)
		}
		<-time.After(24 * time.Hour)
		p := r.status(t, res.Payment.ID)
		if got := p.Operations[1].Outcome; got != payment.NotExecuted {
			t.Errorf("outcome of the refund = %q, want %q", got, payment.NotExecuted)
		}
		if got := r.feedTypes(t); !slices.Contains(got, "payment.refund_failed") {
			t.Errorf("feed = %v, want payment.refund_failed in it", got)
		}
	})
}

// A part was refunded at the dashboard in the meantime. The work in the background does for the
// refund what it does while its caller waits.
func TestAcceptedFullRefundRefundsTheRemainder(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		r.provider.mu.Lock()
		r.provider.refunds["dashboard"] = payment.ProviderRefund{Reference: "re_9", Intent: "pi_1", Amount: 1000, Status: "succeeded"}
		r.provider.intents["pi_1"].AmountRefunded = 1000
		r.provider.mu.Unlock()
		r.provider.failBefore(slowly(2, fault.New(fault.Invalid, "amount_too_large", "")))
		refund, err := r.Refund(t.Context(), tenant, res.Payment.ID, 0, opKey("refund", "all"))
		if err != nil || !refund.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", refund.Operation.Outcome, err)
		}
		<-time.After(24 * time.Hour)
		if got := r.status(t, res.Payment.ID).AmountRefunded; got != 1250 {
			t.Errorf("amountRefunded = %d, want 1250: 1000 at the dashboard, and the remainder by this refund", got)
		}
		if got := len(r.provider.refunds); got != 2 {
			t.Errorf("refunds at the provider = %d, want 2", got)
		}
	})
}

// A repeat of the key of a capture that was given up begins the 15 minutes anew.
func TestRepeatedCaptureIsRetriedForItsFullTime(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		create := request()
		create.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		id := res.Payment.ID
		var down, slow atomic.Bool
		down.Store(true)
		slow.Store(true)
		r.provider.failBefore(func(context.Context, payment.Action, int) error {
			if slow.CompareAndSwap(true, false) { // the call takes longer than its caller waits
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
		r.waitClosed(t, id, 20*time.Minute) // given up
		<-time.After(time.Hour)
		slow.Store(true)
		again, err := r.Capture(t.Context(), tenant, id, 0, opKey("capture", "c"))
		if err != nil || !again.Operation.Outcome.Open() {
			t.Fatalf("repeat = %s, %v; want an open outcome without an error", again.Operation.Outcome, err)
		}
		<-time.After(time.Minute) // the provider has refused the first call of the repeat by now
		down.Store(false)
		<-time.After(20 * time.Minute)
		if p := r.status(t, id); p.Status != payment.Succeeded {
			t.Errorf("status = %q, want %q: accepted a minute before the provider was back; the capture is %s after %d tries",
				p.Status, payment.Succeeded, p.Operations[1].Outcome, p.Operations[1].Tries)
		}
	})
}

// The eight seconds are over while a refusal is being saved for the caller. What is saved
// does not say that the gateway tries again, so the caller is not told so: it waits a
// moment for the refusal.
func TestNoCallerGetsAcceptedWhileARefusalIsSaved(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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
		if told := r.feedTypes(t); p.Status != payment.RequiresConfirmation || slices.Contains(told, "payment.create_failed") {
			t.Errorf("accepted with 202; a day later it is %s, after %d calls; the feed tells %v", p.Status, r.provider.called(), told)
		}
	})
}

// The same with a payment that has an intent; a repeat tries again.
func TestNoCaptureGetsAcceptedWhileItsRefusalIsSaved(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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
			t.Errorf("status = %q, error %v; want %q", done.Payment.Status, err, payment.Succeeded)
		}
	})
}
