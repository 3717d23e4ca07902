package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
)

// The backup is taken while the first provider is being called. It refuses then, and another
// one is paid. Back in the copy, the call of which nothing is known must not be made again:
// the first provider would take it now.
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
			among(t, three, func(t *testing.T, r *rig) {
				older, first := r.failedOver(t)
				charges := fmt.Sprint(r.charges())
				<-time.After(tt.later)
				if tt.blind > 0 {
					r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				}
				restored := r.restored(t, older)
				<-time.After(tt.blind)
				r.all[1].cannotLook(nil)
				<-time.After(2 * time.Minute)
				p, err := restored.Get(t.Context(), tenant, first.ID)
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
	for _, age := range []time.Duration{time.Minute, 100 * time.Hour} {
		for _, blind := range []time.Duration{0, 76 * time.Hour} {
			t.Run(fmt.Sprintf("a copy of %s, known after %s", age, blind), func(t *testing.T) {
				among(t, three, func(t *testing.T, r *rig) {
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

// An open create of the copy has been given what another provider made; that provider is
// taken out of the configuration before it is read.
func TestTheProviderOfWhatWasMadeIsRemoved(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		<-time.After(20 * time.Minute)
		back := r.onCopy(older)
		s, stop := r.killable(t, "two", back)
		r.all[1].silentOnceAsked()
		<-time.After(5 * time.Minute)
		p, _ := s.Get(t.Context(), tenant, first.ID)
		t.Logf("while the second does not answer: %s, %s, made: %+v", p.Status, route(p), p.Operations[len(p.Operations)-1].Request.Made)
		stop()
		s = r.another(t, "three", back, func(o *checkout.Options) {
			o.Gateways = []ports.PaymentGateway{r.all[0], r.all[2]}
		})
		<-time.After(10 * time.Minute)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if p.Status == payment.Canceled || err != nil || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s (%+v), review: %t, %s, charges %v, %v", p.Status, p.Error, p.NeedsReview, route(p), r.charges(), err)
		}
	})
}

// The name of the provider that has made it means another account at the next start.
func TestSomebodyIsAskedWhereTheAccountOfWhatWasMadeHasChanged(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		<-time.After(20 * time.Minute)
		back := r.onCopy(older)
		_, stop := r.killable(t, "two", back, func(o *checkout.Options) { o.Accounts = eachName{} })
		r.all[1].silentOnceAsked()
		<-time.After(5 * time.Minute)
		stop()
		s := r.another(t, "three", back, func(o *checkout.Options) {
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

// A backup is taken while an accepted payment waits. It is then charged. The
// backup is put back 20 minutes later: the payment is canceled, "no money moved", without
// the provider being asked, which knows its key.
func TestAnOlderPaymentThatWaitedIsNotGivenUpThoughCharged(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.hang(fault.Unavailable, time.Minute)
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(15 * time.Second)
		older := r.backup(t, res.Payment.ID)
		if p := r.settled(t, res.Payment.ID, 10*time.Minute); p.Status != payment.Succeeded {
			t.Fatalf("%+v", p)
		}
		<-time.After(20 * time.Minute)
		restored := r.restored(t, older)
		<-time.After(2 * time.Hour)
		p, err := restored.Get(t.Context(), tenant, res.Payment.ID)
		if err != nil || p.Status == payment.Canceled && r.provider.captured() == 1 {
			t.Errorf("%s (%+v), needs review: %t; the buyer has paid; %v", p.Status, p.Error, p.NeedsReview, err)
		}
	})
}

// A confirm of a payment that has its object.
func TestAConfirmThatWaitsInTheCopyIsNotGivenUpThoughPaid(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		first, err := r.Create(t.Context(), tenant, checkout.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok", Confirmation: payment.ConfirmServer}, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		p := first.Payment
		<-time.After(8 * time.Hour)
		r.hang(fault.Unavailable, time.Minute)
		res, err := r.Confirm(t.Context(), tenant, p.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		if err != nil || !res.Operation.Outcome.Open() {
			t.Fatalf("%+v, %v", res.Operation, err)
		}
		<-time.After(25 * time.Second)
		older := r.backup(t, p.ID)
		if now := r.settled(t, p.ID, 5*time.Minute); now.Status != payment.Succeeded {
			t.Fatalf("%+v", now)
		}
		<-time.After(20 * time.Minute)
		s := r.restored(t, older)
		<-time.After(100 * time.Hour)
		var types []string
		_, _ = older.Publish(t.Context(), 100)
		events, _ := older.Feed(t.Context(), tenant, 0, 100)
		for _, e := range events {
			types = append(types, e.Type)
		}
		list, _ := s.List(t.Context(), tenant, checkout.Filter{}, "", 10)
		one, _ := s.Get(t.Context(), tenant, p.ID)
		<-time.After(time.Second)
		two, _ := s.Get(t.Context(), tenant, p.ID)
		if list.Payments[0].Status != payment.Succeeded {
			t.Errorf("100 hours later: listed %s, read %s, read again %s; feed: %v", list.Payments[0].Status, one.Status, two.Status, types)
		}
	})
}

// The copy was made in a call that was refused. Its caller was told that nothing was done,
// and has paid under another key.
func TestACreateThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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

// A cancel that was refused, as its caller was told.
func TestACancelThatWasRefusedSinceIsNotCalledAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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
		if i, _ := r.provider.Retrieve(t.Context(), first.Payment.ProviderReference); i.Status != payment.RequiresCapture {
			t.Errorf("nobody has asked for anything since the restore: it is %s at the provider", i.Status)
		}
	})
}
