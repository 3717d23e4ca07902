package payments_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// The copy was made in the call of a create. That was refused, and the payment was confirmed
// under a key of its own, and paid: its intent bears that key.
func TestAnOpenCreateOfTheCopyTakesWhatItsConfirmHasPaid(t *testing.T) {
	t.Parallel()
	away := func(r *rig, d time.Duration) {
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		go func() {
			<-time.After(d)
			r.provider.cannotLook(nil)
		}()
	}
	for name, before := range map[string]func(*rig){
		"the provider answers":               func(*rig) {},
		"the provider is away for 2 minutes": func(r *rig) { away(r, 2*time.Minute) },
		"the provider is away for 2 hours":   func(r *rig) { away(r, 2*time.Hour) },
		"it cannot be asked after the listing": func(r *rig) {
			var asked atomic.Bool
			r.provider.onLook(func() {
				if asked.CompareAndSwap(false, true) {
					away(r, 20*time.Second)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				var id string
				older := r.refusedInCall(t, func() {
					res, _ := r.pay(t, "k")
					id = res.Payment.ID
				})
				<-time.After(time.Minute)
				if _, err := r.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "c")); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				before(r)
				s := r.restored(t, older)
				<-time.After(48 * time.Hour)
				p, err := s.Get(t.Context(), tenant, id)
				if err != nil || p.Status != payment.Succeeded || p.ProviderReference == "" {
					t.Errorf("got %s %+v, reference %q, %v, want it succeeded", p.Status, p.Error, p.ProviderReference, err)
				}
				r.wantLast(t, s, p, 1)
			})
		})
	}
}

// Two intents of a payment were paid. The copy has its create open.
func TestTwoIntentsOfAnOpenPaymentNeedAReview(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]time.Duration{"the providers answer": 0, "they are away for 2 minutes": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				older, p := r.failedOver(t)
				_, err := r.all[2].Create(context.Background(), payment.CreateRequest{
					Key: "another", Amount: 1250, Currency: "eur", PaymentMethod: "pm", Confirm: true,
					Metadata: map[string]string{payment.MetaPayment: p.ID, payment.MetaTenant: tenant, payment.MetaOperation: "another"},
				})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				for _, one := range r.all {
					one.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				}
				s := r.restored(t, older)
				<-time.After(away)
				for _, one := range r.all {
					one.cannotLook(nil)
				}
				<-time.After(72 * time.Hour)
				if got, err := s.Get(t.Context(), tenant, p.ID); err != nil || !got.NeedsReview || got.Status != payment.Succeeded {
					t.Errorf("got %s, reviews %+v, %v, want it succeeded, and a review", got.Status, got.Reviews, err)
				}
			})
		})
	}
}
