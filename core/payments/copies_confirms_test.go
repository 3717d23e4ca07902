package payments_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// The copy has the payment, and does not know that it has reached a provider.
func TestIntentMadeAfterTheCopyIsMerged(t *testing.T) {
	t.Parallel()
	confirm := func(t *testing.T, s *payments.Service, id string) error {
		_, err := s.Confirm(t.Context(), tenant, id, payments.ConfirmRequest{}, opKey("confirm", "c"))
		return err
	}
	cancel := func(t *testing.T, s *payments.Service, id string) error {
		_, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c"))
		return err
	}
	for _, tt := range []struct {
		name       string
		age, after time.Duration // how old the copy is, and how long after its restore it is asked for
	}{
		{"at once, in a new copy", time.Minute, 0},
		{"when the provider has told, in a new copy", time.Minute, time.Second},
		{"when it is taken in, in a new copy", time.Minute, 2 * time.Minute},
		{"days later, in a new copy", time.Minute, 100 * time.Hour},
		{"at once, in a copy older than keys are kept", 76 * time.Hour, 0},
		{"when it is taken in, in a copy older than keys are kept", 76 * time.Hour, 2 * time.Minute},
		{"when it is taken in, in a copy of more than a week", 200 * time.Hour, 2 * time.Minute},
	} {
		for what, act := range map[string]func(*testing.T, *payments.Service, string) error{"a confirm": confirm, "a cancel": cancel} {
			t.Run(what+" "+tt.name, func(t *testing.T) {
				onVirtualTime(t, func(t *testing.T, r *rig) {
					r.provider.failBefore(fails(fault.Unavailable, 1))
					first, _ := r.pay(t, "k")
					older := r.backup(t, first.Payment.ID)
					r.paid(t)
					<-time.After(tt.age)
					r.provider.forgets()
					s := r.restored(t, older)
					<-time.After(tt.after)
					synctest.Wait()
					if err := act(t, s, first.Payment.ID); err == nil && what == "a cancel" {
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

// The copy has the payment refused, before a repeat of its key was charged.
func TestAnOlderPaymentIsNotCanceledThoughCharged(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.pay(t, "k")
		older := r.backup(t, first.Payment.ID)
		if _, err := r.pay(t, "k"); err != nil {
			t.Fatal(err)
		}
		s := r.restored(t, older)
		<-time.After(time.Second)
		res, err := s.Cancel(t.Context(), tenant, first.Payment.ID, opKey("cancel", "c"))
		if err == nil || res.Payment.Status == payment.Canceled {
			t.Errorf("answered %s, %v, and the buyer has paid", res.Payment.Status, err)
		}
	})
}

// The same copy; the confirm has a key of its own, so that it would be a second charge.
func TestAnOlderPaymentIsNotConfirmedAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.pay(t, "k")
		older := r.backup(t, first.Payment.ID)
		if _, err := r.pay(t, "k"); err != nil {
			t.Fatal(err)
		}
		s := r.restored(t, older)
		<-time.After(time.Second)
		_, err := s.Confirm(t.Context(), tenant, first.Payment.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges for one payment, %v", n, err)
		}
	})
}

func TestConfirmAdoptsUnpaidIntent(t *testing.T) {
	t.Parallel()
	for name, method := range map[string]string{"that nobody has confirmed": "pm_ok", "that was declined": "pm_declined"} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.provider.failBefore(fails(fault.Unavailable, 1))
				req := payments.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: method}
				first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
				older := r.backup(t, first.Payment.ID)
				if res, err := r.Create(t.Context(), tenant, req, key("k", "a")); res.Payment.ProviderReference == "" {
					t.Fatalf("%+v, %v", res.Payment, err)
				}
				<-time.After(time.Hour)
				s := r.restored(t, older)
				<-time.After(5 * time.Second)
				for _, when := range []string{"before it is taken in", "when it is"} {
					confirm := payments.ConfirmRequest{PaymentMethod: "pm_new", ReturnURL: "https://example.com/"}
					res, err := s.Confirm(t.Context(), tenant, first.Payment.ID, confirm, opKey("confirm", "c"))
					if n := r.provider.captured(); err != nil || res.Payment.Status != payment.Succeeded || n != 1 {
						t.Errorf("%s: %s, confirm %s, %d charges, %v", when, res.Payment.Status, res.Operation.Outcome, n, err)
					}
					<-time.After(3 * time.Minute)
				}
			})
		})
	}
}

// The cancel comes before what another provider has made is taken in.
func TestCancelUsesTheAccountOfTheFoundIntent(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		known := func(o *payments.Options) { o.Accounts = eachName{} }
		s0 := r.another(t, "zero", known)
		older, first := r.refusedThenPaid(t, s0)
		<-time.After(time.Hour)
		s := r.restored(t, older, known)
		<-time.After(5 * time.Second)
		if _, err := s.Cancel(t.Context(), tenant, first.ID, opKey("cancel", "c")); !fault.Is(err, fault.Conflict) {
			t.Errorf("it is paid; the cancel is answered %v", err)
		}
		<-time.After(10 * time.Minute)
		p, _ := s.Get(t.Context(), tenant, first.ID)
		_, serr := s.Sync(t.Context(), tenant, first.ID)
		_, rerr := s.Refund(t.Context(), tenant, first.ID, 100, opKey("refunds", "r"))
		if p.Account != "acct_second" || serr != nil || rerr != nil {
			t.Errorf("it is %s at %s, account %s; sync: %v; refund: %v", p.Status, p.Provider, p.Account, serr, rerr)
		}
	})
}

// One provider. The create was refused, and a confirm of the same payment was under way when the
// process was killed: it is done some seconds after the start on the copy, while the create's
// key, which is another at the provider, is repeated.
func TestAConfirmThatWasUnderWayAndARepeatOfTheCreateChargeOnce(t *testing.T) {
	t.Parallel()
	for name, has := range map[string]bool{"the copy has the payment": true, "the copy does not have the payment": false} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.copied = time.Now()
				older := memjournal.New(clock.System{})
				r.provider.failBefore(always(fault.Unavailable))
				first, _ := r.pay(t, "k")
				r.provider.failBefore(nil)
				if has {
					older = r.backup(t, first.Payment.ID)
				}
				<-time.After(time.Minute)
				r.provider.failBefore(func(context.Context, payment.Action, int) error {
					<-time.After(5 * time.Second) // on its way
					return nil
				})
				go func() { // the process that is killed in this call
					_, _ = r.Confirm(t.Context(), tenant, first.Payment.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
				}()
				<-time.After(time.Second)
				r.provider.failBefore(nil)
				s := r.restored(t, older)
				<-time.After(time.Second)
				if _, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil && fault.From(err).Code != payments.CodeRestored {
					t.Errorf("while the confirm is on its way: %v", err)
				}
				<-time.After(10 * time.Minute)
				if again := mustPay(t, s, "k"); again.ID != first.Payment.ID || again.NeedsReview {
					t.Errorf("got %s, review: %t, want %s", again.ID, again.NeedsReview, first.Payment.ID)
				}
				if n := r.provider.captured(); n != 1 {
					t.Errorf("got %d charges, want 1", n)
				}
			})
		})
	}
}
