package checkout_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/payment"
)

// What was made of payments that the copy has, and does not know to have reached a provider.
func TestWhatWasMadeSinceIsTakenIntoTheCopy(t *testing.T) {
	t.Parallel()
	confirm := func(t *testing.T, s *checkout.Service, id string) error {
		_, err := s.Confirm(t.Context(), tenant, id, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		return err
	}
	cancel := func(t *testing.T, s *checkout.Service, id string) error {
		_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
		return err
	}
	for age, afters := range map[time.Duration][]time.Duration{
		time.Minute:     {0, time.Second, 2 * time.Minute, 100 * time.Hour},
		76 * time.Hour:  {0, 2 * time.Minute},
		200 * time.Hour: {2 * time.Minute},
	} {
		for _, after := range afters {
			for name, act := range map[string]func(*testing.T, *checkout.Service, string) error{"confirm": confirm, "cancel": cancel} {
				t.Run(fmt.Sprintf("a copy of %s, %s, %s after", age, name, after), func(t *testing.T) {
					within(t, func(t *testing.T, r *rig) {
						r.provider.failBefore(fails(fault.Unavailable, 1))
						first, _ := r.pay(t, "k")
						older := r.backup(t, first.Payment.ID)
						r.paid(t)
						<-time.After(age)
						r.provider.forgets()
						s := r.restored(t, older)
						<-time.After(after)
						synctest.Wait()
						if err := act(t, s, first.Payment.ID); err == nil && name == "cancel" {
							t.Error("it is canceled")
						}
						<-time.After(2 * time.Minute)
						if n := r.provider.captured(); n != 1 {
							t.Errorf("%d charges", n)
						}
						if p, err := s.Get(t.Context(), tenant, first.Payment.ID); err != nil || p.Status != payment.Succeeded {
							t.Errorf("it is %s (%+v), %v", p.Status, p.Error, err)
						}
					})
				})
			}
		}
	}
}

// A create was refused; backup; a repeat of its key charged; the backup is put
// back. A cancel is answered 200 canceled without the provider being asked.
func TestAnOlderPaymentIsNotCanceledThoughCharged(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.pay(t, "k")
		older := r.backup(t, first.Payment.ID)
		if _, err := r.pay(t, "k"); err != nil {
			t.Fatal(err)
		}
		restored := r.restored(t, older)
		<-time.After(time.Second)
		res, err := restored.Cancel(t.Context(), tenant, first.Payment.ID, opKey("cancel", "c"))
		if err == nil && res.Payment.Status == payment.Canceled && r.provider.captured() == 1 {
			t.Errorf("answered %s, and the buyer has paid", res.Payment.Status)
		}
	})
}

// The same, and it is confirmed under a key of its own: a second charge.
func TestAnOlderPaymentIsNotConfirmedAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.pay(t, "k")
		older := r.backup(t, first.Payment.ID)
		if _, err := r.pay(t, "k"); err != nil {
			t.Fatal(err)
		}
		restored := r.restored(t, older)
		<-time.After(time.Second)
		_, err := restored.Confirm(t.Context(), tenant, first.Payment.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges for one payment (%v): %v", n, err, slices.Collect(maps.Keys(r.provider.intents)))
		}
	})
}

// A confirm takes up an intent that is there and was never confirmed.
func TestAConfirmOfWhatWasMadeUnconfirmed(t *testing.T) {
	t.Parallel()
	for name, method := range map[string]string{"unconfirmed": "pm_ok", "declined": "pm_declined"} {
		t.Run(name, func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.provider.failBefore(fails(fault.Unavailable, 1))
				req := checkout.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: method}
				first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
				older := r.backup(t, first.Payment.ID)
				if res, err := r.Create(t.Context(), tenant, req, key("k", "a")); res.Payment.ProviderReference == "" {
					t.Fatalf("%+v, %v", res.Payment, err)
				}
				<-time.After(time.Hour)
				s := r.restored(t, older)
				<-time.After(5 * time.Second)
				res, err := s.Confirm(t.Context(), tenant, first.Payment.ID, checkout.ConfirmRequest{PaymentMethod: "pm_new", ReturnURL: "https://example.com/"}, opKey("confirm", "c"))
				t.Logf("confirm: %s, %s, %v", res.Payment.Status, res.Operation.Outcome, err)
				<-time.After(3 * time.Minute)
				res, err = s.Confirm(t.Context(), tenant, first.Payment.ID, checkout.ConfirmRequest{PaymentMethod: "pm_new", ReturnURL: "https://example.com/"}, opKey("confirm", "c"))
				if err != nil || res.Payment.Status != payment.Succeeded {
					t.Errorf("its key again: %s, confirm %s, charges %d, %v", res.Payment.Status, res.Operation.Outcome, r.provider.captured(), err)
				}
			})
		})
	}
}

// A cancel takes up what another provider has made, in the minute before it is taken in.
func TestACancelTakesTheAccountOfWhatWasMade(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		known := func(o *checkout.Options) { o.Accounts = eachName{} }
		s0 := r.another(t, "zero", known)
		older, first := r.refusedThenPaid(t, s0)
		<-time.After(time.Hour)
		s := r.restored(t, older, known)
		<-time.After(5 * time.Second)
		_, err := s.Cancel(t.Context(), tenant, first.ID, opKey("cancel", "c"))
		t.Logf("the cancel: %v", err)
		<-time.After(10 * time.Minute)
		p, _ := s.Get(t.Context(), tenant, first.ID)
		_, serr := s.Sync(t.Context(), tenant, first.ID)
		_, rerr := s.Refund(t.Context(), tenant, first.ID, 100, opKey("refunds", "r"))
		if p.Account != "acct_second" || serr != nil || rerr != nil {
			t.Errorf("it is %s at %s, account %s; sync: %v; refund: %v", p.Status, p.Provider, p.Account, serr, rerr)
		}
	})
}
