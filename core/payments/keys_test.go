package payments_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// An outcome is unknown for longer than keys are kept. The key is kept on, so that a
// caller who repeats it still learns what became of it.
func TestAKeyIsKeptForAsLongAfterItsEnd(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failAfter(fails(fault.UnknownOutcome, 1))
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n > 1 {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		first, _ := r.pay(t, "k")
		for range 73 {
			<-time.After(time.Hour)
			if again, err := r.pay(t, "k"); err != nil || again.Payment.ID != first.Payment.ID || !again.Operation.Outcome.Open() {
				t.Fatalf("%+v, %v", again.Payment, err)
			}
		}
		r.provider.failBefore(nil)
		r.provider.cannotLook(nil)
		<-time.After(time.Hour)
		again, err := r.pay(t, "k")
		if n := r.provider.captured(); n != 1 || again.Payment.ID != first.Payment.ID {
			t.Errorf("%d charges under one key that was repeated all the time; 202 for %s, then %s, %v", n, first.Payment.ID, again.Payment.ID, err)
		}
	})
}

// Room is not made by removing the very operation that is to be tried.
func TestARepeatOnAFullPaymentIsTriedAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		r.provider.failBefore(always(fault.Unavailable))
		for n := range 99 {
			if _, err := r.Refund(t.Context(), tenant, res.Payment.ID, 10, opKey("refund", fmt.Sprint(n))); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		}
		r.provider.failBefore(nil)
		for range 3 {
			<-time.After(time.Hour)
			again, err := r.Refund(t.Context(), tenant, res.Payment.ID, 10, opKey("refund", "0"))
			if err != nil {
				t.Errorf("hours after all others: %+v, %v", again.Operation, err)
			}
		}
	})
}

// The same for a create that was refused at two providers.
func TestARepeatOfACreateOnAFullPaymentIsTriedAgain(t *testing.T) {
	withProviders(t, three[:2], func(t *testing.T, r *rig) {
		for _, p := range r.all {
			p.failBefore(always(fault.Unavailable))
		}
		first, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		for n := 0; len(r.status(t, first.Payment.ID).Operations) < 100 && n < 100; n++ {
			if _, err := r.Confirm(t.Context(), tenant, first.Payment.ID, payments.ConfirmRequest{}, opKey("confirm", fmt.Sprint(n))); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		}
		for _, p := range r.all {
			p.failBefore(nil)
		}
		for range 3 {
			<-time.After(time.Hour)
			if again, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil {
				t.Errorf("%+v, %v", again.Payment.Status, err)
			}
		}
	})
}

// The amount is fixed at the first try. Where less is left when the key is repeated, the
// payment has moved on.
func TestRepeatedRefundOfMoreThanIsLeftIsConflict(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		id := res.Payment.ID
		r.provider.failBefore(fails(fault.Unavailable, 2))
		if _, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "all")); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		if _, err := r.Refund(t.Context(), tenant, id, 250, opKey("refund", "part")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "all")); !fault.Is(err, fault.Conflict) || len(r.provider.refunds) != 1 {
			t.Errorf("%v, %d refunds", err, len(r.provider.refunds))
		}
	})
}

// A refusal that was answered is the answer to each repeat, whatever could be given back
// by then.
func TestARefusedRefundStaysRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		res, _ := r.pay(t, "k")
		id := res.Payment.ID
		r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
			if n == 2 { // the charge is disputed
				return fault.New(fault.Conflict, "unexpected_state", "")
			}
			return nil
		})
		if _, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "all")); !fault.Is(err, fault.Conflict) {
			t.Fatal(err)
		}
		if again, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "all")); !fault.Is(err, fault.Conflict) || !again.Replayed {
			t.Fatal(err)
		}
		if _, err := r.Refund(t.Context(), tenant, id, 250, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		again, err := r.Refund(t.Context(), tenant, id, 0, opKey("refund", "all"))
		if n := len(r.provider.refunds); n != 1 || !fault.Is(err, fault.Conflict) {
			t.Errorf("409, and then %d refunds: %+v, %v", n, again.Operation, err)
		}
	})
}

// A key that did nothing at first, and charges days later, is kept from then on.
func TestAKeyIsKeptForAsLongAfterItsLastTry(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, err := r.pay(t, "k")
		if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		<-time.After(72*time.Hour - time.Minute)
		if again, err := r.pay(t, "k"); err != nil || again.Payment.ID != first.Payment.ID {
			t.Fatal(err)
		}
		<-time.After(3 * time.Minute)
		again, err := r.pay(t, "k")
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges: %s, then %s, %v", n, first.Payment.ID, again.Payment.ID, err)
		}
	})
}
