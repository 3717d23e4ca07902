package checkout_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/checkout"
	"patchbay/core/depot"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

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

// The look at what was made fails once, for a reason for which nothing else is tried again.
func TestWhatCouldNotBeTakenInIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Overloaded, fault.Unauthorized, fault.Refused, fault.Internal} {
		t.Run(kind.String(), func(t *testing.T) {
			among(t, three, func(t *testing.T, r *rig) {
				older, first := r.refusedThenPaid(t, r.Service)
				var looks atomic.Int64
				r.all[1].onLook(func() {
					if looks.Add(1) == 1 {
						r.all[1].cannotLook(fault.New(kind, "scripted", ""))
					} else {
						r.all[1].cannotLook(nil)
					}
				})
				s := r.restored(t, older)
				<-time.After(2 * time.Minute)
				r.all[1].onLook(nil)
				r.all[1].cannotLook(nil)
				<-time.After(70 * time.Hour)
				p, _ := s.Get(t.Context(), tenant, first.ID)
				t.Logf("70 hours later it is %s, %s", p.Status, p.ProviderReference)
				<-time.After(3 * time.Hour)
				_, err := s.Confirm(t.Context(), tenant, first.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
					t.Errorf("charges %s, %v", got, err)
				}
			})
		})
	}
}

// One payment that its provider cannot tell of.
func TestOnePaymentDoesNotHoldUpTheOthers(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, _ = depot.Use(t.Context(), r.journal, sys.Clock{}, false)
		r.provider.failBefore(always(fault.Unavailable))
		bad := &poisoned{provider: r.provider, bad: "pi_3"}
		var ids []string
		for i := range 10 {
			res, _ := r.pay(t, fmt.Sprint("k", i))
			ids = append(ids, res.Payment.ID)
		}
		c0 := cloned(t, r.journal)
		r.provider.failBefore(nil)
		for i := range 10 {
			mustPay(t, r.Service, fmt.Sprint("k", i))
		}
		s := r.begins(t, c0, true, "two", func(o *checkout.Options) {
			o.Gateways = []ports.PaymentGateway{bad}
		})
		<-time.After(100 * time.Hour)
		paid := 0
		for _, id := range ids {
			if p, _ := s.Get(t.Context(), tenant, id); p.Status == payment.Succeeded {
				paid++
			}
		}
		if paid != 9 || bad.asked > 1000 { // how many are behind the one depends on the order of a map
			t.Errorf("100 hours later %d of 10 payments are shown paid; the provider was asked %d times about the one", paid, bad.asked)
		}
	})
}

// poisoned does not tell of one intent.
type poisoned struct {
	*provider
	bad   string
	asked int
}

func (p *poisoned) Retrieve(ctx context.Context, ref string) (payment.Intent, error) {
	if ref == p.bad {
		p.asked++
		return payment.Intent{}, fault.New(fault.UnknownOutcome, "scripted", "")
	}
	return p.provider.Retrieve(ctx, ref)
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

// The provider does not answer when something is refused because of an old state.
func TestNothingIsRefusedByAnOldStateWhileTheProviderDoesNotAnswer(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		req := request()
		req.CaptureMethod = payment.CaptureManual
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		older := r.backup(t, first.Payment.ID)
		if _, err := r.Capture(t.Context(), tenant, first.Payment.ID, 0, opKey("capture", "c")); err != nil {
			t.Fatal(err)
		}
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.restored(t, older)
		<-time.After(time.Minute)
		_, err = s.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refunds", "r"))
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("nobody knows its state; the refund is answered %v", err)
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

// A canceled intent beside a paid one.
func TestACanceledIntentBesideThePaidOne(t *testing.T) {
	t.Parallel()
	for _, absent := range []bool{false, true} {
		for _, at := range []int{0, 2} {
			t.Run(fmt.Sprint(absent, at), func(t *testing.T) {
				among(t, three, func(t *testing.T, r *rig) {
					older, first := r.failedOver(t)
					if absent {
						older = memjournal.New(sys.Clock{})
					}
					i, _ := r.all[1].Retrieve(t.Context(), first.ProviderReference)
					i.Reference, i.Status, i.AmountCaptured, i.CreatedAt = "pi_canceled", payment.Canceled, 0, time.Now().Add(time.Minute)
					r.all[at].mu.Lock()
					r.all[at].intents[i.Reference] = &i
					r.all[at].mu.Unlock()
					<-time.After(time.Hour)
					r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
					s := r.restored(t, older)
					for range 10 {
						<-time.After(30 * time.Second)
						_, _ = s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
						_, _ = s.Cancel(t.Context(), tenant, first.ID, opKey("cancel", "c"))
					}
					r.all[1].cannotLook(nil)
					<-time.After(3 * time.Minute)
					res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
					if p := res.Payment; err != nil || p.Status != payment.Succeeded || fmt.Sprint(r.charges()) != "[0 1 0]" {
						t.Errorf("%s %s %s, charges %v, %v", p.Status, p.Provider, route(p), r.charges(), err)
					}
				})
			})
		}
	}
}
