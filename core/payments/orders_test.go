package payments_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/webhook"
	"patchbay/tests/memjournal"
)

func TestLostAnswersAtEachSave(t *testing.T) {
	for nth := int64(1); nth <= 9; nth++ {
		for _, moment := range []string{memjournal.Saved, memjournal.Save} {
			t.Run(fmt.Sprint(moment, nth), func(t *testing.T) {
				withProviders(t, three, func(t *testing.T, r *rig) {
					r.another(t, "two")
					r.provider.failBefore(fails(fault.Unavailable, 1))
					r.all[1].failBefore(fails(fault.RateLimited, 1))
					kind := fault.UnknownOutcome
					if moment == memjournal.Save {
						kind = fault.Internal
					}
					r.failNth(moment, nth, kind)
					for range 4 {
						_, _ = r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
						<-time.After(2 * time.Minute)
					}
					res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
					if fault.Is(err, fault.Internal) { // the scripted save was that of this very repeat
						res, err = r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
					}
					if err != nil || res.Payment.Status != payment.Succeeded {
						t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
					}
					for range 4 {
						_, _ = r.Refund(t.Context(), tenant, res.Payment.ID, 0, opKey("refund", "all"))
						<-time.After(2 * time.Minute)
					}
					charges, refunds := 0, 0
					for _, p := range r.all {
						charges += p.captured()
						refunds += len(p.refunds)
					}
					if charges != 1 || refunds != 1 {
						t.Errorf("%d charges, %d refunds", charges, refunds)
					}
				})
			})
		}
	}
}

func TestOneKeyInTwoProcesses(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		two := r.another(t, "two")
		for i, p := range r.all {
			p.failBefore(func(context.Context, payment.Action, int) error {
				<-time.After(time.Duration(i+1) * 10 * time.Millisecond)
				if i < 2 {
					return fault.New(fault.Unavailable, "scripted", "")
				}
				return nil
			})
		}
		var all sync.WaitGroup
		for n := range 60 {
			all.Go(func() {
				<-time.After(time.Duration(n) * time.Millisecond)
				s := r.Service
				if n%2 == 0 {
					s = two
				}
				_, _ = s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
			})
		}
		all.Wait()
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || fmt.Sprint(r.charges()) != "[0 0 1]" {
			t.Fatalf("%v %v", r.charges(), err)
		}
		// concurrent refunds of all, of which a part was given back at the dashboard
		third := r.all[2]
		ref := res.Payment.ProviderReference
		third.mu.Lock()
		third.refunds["dashboard"] = payment.ProviderRefund{Reference: "re_9", Intent: ref, Amount: 1000, Status: "succeeded"}
		third.intents[ref].AmountRefunded = 1000
		third.mu.Unlock()
		third.failBefore(func(_ context.Context, a payment.Action, _ int) error {
			<-time.After(10 * time.Millisecond)
			third.mu.Lock()
			defer third.mu.Unlock()
			if a == payment.Refund && len(third.refunds) == 1 && third.calls == 2 {
				return fault.New(fault.Invalid, "amount_too_large", "")
			}
			return nil
		})
		for n := range 40 {
			all.Go(func() {
				<-time.After(time.Duration(n) * time.Millisecond)
				s := r.Service
				if n%2 == 0 {
					s = two
				}
				_, _ = s.Refund(t.Context(), tenant, res.Payment.ID, 0, opKey("refund", "all"))
			})
		}
		all.Wait()
		<-time.After(time.Minute)
		if p := r.status(t, res.Payment.ID); len(third.refunds) != 2 || p.AmountRefunded != 1250 {
			t.Errorf("%d refunds, %d", len(third.refunds), p.AmountRefunded)
		}
	})
}

func TestOperationsOnAWaitingPayment(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.hang(fault.Unavailable, 5*time.Minute)
		res, _ := r.pay(t, "k")
		<-time.After(20 * time.Second)
		id := res.Payment.ID
		if _, err := r.Cancel(t.Context(), tenant, id, opKey("cancel", "c")); fault.From(err).Code != "operation_in_progress" {
			t.Errorf("cancel: %v", err)
		}
		if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{PaymentMethod: "pm_ok"}, opKey("confirm", "c")); fault.From(err).Code != "operation_in_progress" {
			t.Errorf("confirm: %v", err)
		}
		if _, err := r.Settle(t.Context(), tenant, id, payments.SettleRequest{Verdict: payments.NotExecuted}); fault.From(err).Code != "operation_in_progress" {
			t.Errorf("settle: %v", err)
		}
		if _, err := r.ApplyWebhook(t.Context(), webhook.Event{Provider: "acme", ID: "pi_1"}); err != nil {
			t.Error(err)
		}
		if p := r.waitClosed(t, id, 10*time.Minute); p.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Errorf("%+v", p)
		}
	})
}
