package payments_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

// The copy was made while the first provider was being called. It refused then, and another
// one was paid. The call of which the copy knows nothing must not be made again: the first
// provider would take it now.
func TestACallThatAnOlderCopyHasOpenIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		later time.Duration // the copy is put back
		blind time.Duration // and how long the provider that was paid does not tell
	}{
		"while the first provider knows the key":         {later: 0},
		"when the key may be forgotten":                  {later: 20 * time.Minute},
		"while it is not known what was made":            {blind: 30 * time.Minute},
		"later, and it is not known for hours":           {later: 20 * time.Minute, blind: 3 * time.Hour},
		"while it is not known until the key is too old": {blind: 16 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				older, first := r.failedOver(t)
				charges := fmt.Sprint(r.charges())
				<-time.After(tt.later)
				if tt.blind > 0 {
					r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				}
				s := r.restored(t, older)
				<-time.After(tt.blind)
				r.all[1].cannotLook(nil)
				<-time.After(2 * time.Minute)
				p, err := s.Get(t.Context(), tenant, first.ID)
				if err != nil || p.Status != payment.Succeeded || p.ProviderReference != first.ProviderReference {
					t.Errorf("%s (%+v, %s), %v", p.Status, p.Error, route(p), err)
				}
				if got := fmt.Sprint(r.charges()); got != charges {
					t.Errorf("charges %s, were %s", got, charges)
				}
			})
		})
	}
}

func TestWhatAnOldCopyHasOpenTakesWhatWasMade(t *testing.T) {
	t.Parallel()
	for copied, age := range map[string]time.Duration{"a new copy": time.Minute, "a copy older than keys are kept": 100 * time.Hour} {
		for known, blind := range map[string]time.Duration{"known at once": 0, "known days later": 76 * time.Hour} {
			t.Run(copied+", "+known, func(t *testing.T) {
				withProviders(t, three, func(t *testing.T, r *rig) {
					older, first := r.failedOver(t)
					<-time.After(age)
					r.provider.forgets()
					if blind > 0 {
						r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
					}
					s := r.restored(t, older)
					<-time.After(blind)
					r.all[1].cannotLook(nil)
					<-time.After(3 * time.Minute)
					p, err := s.Get(t.Context(), tenant, first.ID)
					if err != nil || p.Status != payment.Succeeded || p.ProviderReference != first.ProviderReference {
						t.Errorf("it is %s (%+v, %s), %v", p.Status, p.Error, route(p), err)
					}
					if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
						t.Errorf("charges %s", got)
					}
				})
			})
		}
	}
}

// The open create of the copy has been given what another provider made. That provider is taken
// out of the configuration before it has told more.
func TestWhatWasMadeIsNotGivenUpWhereItsProviderIsTakenOut(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		<-time.After(20 * time.Minute)
		back := r.onCopy(older)
		s, stop := r.killable(t, "two", back)
		r.all[1].silentOnceAsked()
		<-time.After(5 * time.Minute)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if made := p.Operations[len(p.Operations)-1].Request.Made; err != nil || made == nil || made.Provider != "second" {
			t.Fatalf("what was made is not known: %s, %v", route(p), err)
		}
		stop()
		s = r.another(t, "three", back, func(o *payments.Options) {
			o.Gateways = []ports.PaymentGateway{r.all[0], r.all[2]}
		})
		<-time.After(10 * time.Minute)
		p, err = s.Get(t.Context(), tenant, first.ID)
		if p.Status == payment.Canceled || err != nil || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s (%+v), review: %t, %s, charges %v, %v", p.Status, p.Error, p.NeedsReview, route(p), r.charges(), err)
		}
	})
}

// At the next start the name of the provider that has made it means an account that does not
// have it.
func TestSomebodyIsAskedWhereTheAccountOfWhatWasMadeHasChanged(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		<-time.After(20 * time.Minute)
		back := r.onCopy(older)
		_, stop := r.killable(t, "two", back, func(o *payments.Options) { o.Accounts = eachName{} })
		r.all[1].silentOnceAsked()
		<-time.After(5 * time.Minute)
		stop()
		s := r.another(t, "three", back, func(o *payments.Options) {
			o.Accounts = newAccount{}
			o.Gateways = []ports.PaymentGateway{r.all[0], newProvider("second"), r.all[2]}
		})
		<-time.After(10 * 24 * time.Hour)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if p.Open() != nil && !p.NeedsReview || err != nil {
			t.Errorf("10 days later %s, review: %t, %s, charges %v, %v", p.Status, p.NeedsReview, route(p), r.charges(), err)
		}
	})
}

// The copy was made while an accepted payment waited, which was charged then. When the copy is
// put back, the time is over in which what waits is tried again; it is looked for before it is
// given up.
func TestAnOlderPaymentThatWaitedIsNotGivenUpThoughCharged(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.hang(fault.Unavailable, time.Minute)
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(15 * time.Second)
		older := r.backup(t, res.Payment.ID)
		if p := r.waitClosed(t, res.Payment.ID, 10*time.Minute); p.Status != payment.Succeeded {
			t.Fatalf("%+v", p)
		}
		<-time.After(20 * time.Minute)
		s := r.restored(t, older)
		<-time.After(2 * time.Hour)
		p, err := s.Get(t.Context(), tenant, res.Payment.ID)
		if n := r.provider.captured(); err != nil || p.Status != payment.Succeeded || n != 1 {
			t.Errorf("%s (%+v), needs review: %t, %d charges, %v", p.Status, p.Error, p.NeedsReview, n, err)
		}
	})
}

// The same for a confirm. The payment has its object, and nobody reads it meanwhile.
func TestAConfirmThatWaitsInTheCopyIsNotGivenUpThoughPaid(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		unconfirmed := payments.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok", Confirmation: payment.ConfirmServer}
		first, err := r.Create(t.Context(), tenant, unconfirmed, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		p := first.Payment
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		res, err := r.Confirm(t.Context(), tenant, p.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
		if err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
		}
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		if now := r.waitClosed(t, p.ID, 5*time.Minute); now.Status != payment.Succeeded {
			t.Fatalf("%+v", now)
		}
		<-time.After(20 * time.Minute)
		s := r.restored(t, older)
		<-time.After(100 * time.Hour)
		list, err := s.List(t.Context(), tenant, payments.Filter{}, "", 10)
		if err != nil || len(list.Payments) != 1 || list.Payments[0].Status != payment.Succeeded {
			t.Errorf("100 hours later it is listed as %+v, %v", list.Payments, err)
		}
	})
}

// The copy was made in its call. The caller was told that nothing was done, and has paid under
// another key.
func TestACreateThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		older := r.refusedInCall(t, func() {
			if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		})
		mustPay(t, r.Service, "k2")
		<-time.After(time.Minute)
		r.restored(t, older)
		<-time.After(10 * time.Minute)
		if n := r.provider.captured(); n != 1 {
			t.Errorf("nobody has asked for anything since the restore: %d charges", n)
		}
	})
}

// The same for a cancel: its caller was told that nothing was done.
func TestACancelThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		req := request()
		req.CaptureMethod = payment.CaptureManual
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		older := r.refusedInCall(t, func() {
			if _, err := r.Cancel(t.Context(), tenant, first.Payment.ID, opKey("cancel", "c")); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
		})
		<-time.After(5 * time.Minute)
		r.restored(t, older)
		<-time.After(5 * time.Minute)
		if i, err := r.provider.Retrieve(t.Context(), first.Payment.ProviderReference); err != nil || i.Status != payment.RequiresCapture {
			t.Errorf("nobody has asked for anything since the restore: it is %s at the provider, %v", i.Status, err)
		}
	})
}
