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
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

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

// Events of the provider that was paid come all the time while it is read.
func TestEventsWhileTheProvidersAreRead(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprint(open), func(t *testing.T) {
			among(t, three, func(t *testing.T, r *rig) {
				var older *memjournal.Journal
				var first payment.Payment
				if open {
					older, first = r.failedOver(t)
				} else {
					older, first = r.refusedThenPaid(t, r.Service)
				}
				<-time.After(time.Hour)
				r.all[1].failPages(3)
				events := func(o *checkout.Options) { o.Events = r.all[1] }
				one := r.restored(t, older, events)
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range 600 {
						_, _ = one.ApplyWebhook(t.Context(), event.Webhook{Provider: "second", ID: first.ProviderReference})
						_, _ = one.Confirm(t.Context(), tenant, first.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
						<-time.After(300 * time.Millisecond)
					}
				}()
				<-done
				p, err := one.Get(t.Context(), tenant, first.ID)
				if err != nil || p.Status != payment.Succeeded || p.NeedsReview || fmt.Sprint(r.charges()) != "[0 1 0]" {
					t.Errorf("%s, review %t, %s, charges %v, %v", p.Status, p.NeedsReview, route(p), r.charges(), err)
				}
			})
		})
	}
}

// Events of the provider that was paid come before it is known that it was.
func TestAnEventOfAPaymentThatTheCopyHasElsewhere(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		r.all[2].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.restored(t, older, func(o *checkout.Options) { o.Events = r.all[1] })
		e := event.Webhook{Provider: "second", ID: first.ProviderReference}
		if _, err := s.ApplyWebhook(t.Context(), e); fault.From(err).Code != "restored_store" {
			t.Errorf("before anything is known: %v", err)
		}
		r.all[2].cannotLook(nil)
		<-time.After(3 * time.Minute)
		if _, err := s.ApplyWebhook(t.Context(), e); err != nil {
			t.Errorf("when it is known: %v", err)
		}
		if p, err := s.Get(t.Context(), tenant, first.ID); err != nil || p.Status != payment.Succeeded || p.NeedsReview {
			t.Errorf("it is %s, needs review: %t, %v", p.Status, p.NeedsReview, err)
		}
	})
}

// That everything was taken in is kept once. A process that starts later than callers have
// keys from before looks if it is not.
func TestItIsKeptThatWhatTheProvidersHoldWasTakenIn(t *testing.T) {
	t.Parallel()
	for _, recalled := range []bool{false, true} {
		t.Run(fmt.Sprintf("recalled: %t", recalled), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				restore := checkout.Restore{At: time.Now(), Recalled: recalled}
				<-time.After(100 * time.Hour)
				kept := 0
				pages := r.provider.pages
				r.another(t, "two", func(o *checkout.Options) {
					o.Restored = func() checkout.Restore { return restore }
					o.Recalled = func(_ context.Context, at time.Time) error {
						if kept++; kept == 1 || !at.Equal(restore.At) {
							return fault.New(fault.Unavailable, "scripted", "")
						}
						return nil
					}
				})
				<-time.After(time.Hour)
				if looked := r.provider.pages > pages; looked == recalled || !recalled && kept != 2 || recalled && kept != 0 {
					t.Errorf("it was looked: %t; it was kept %d times", looked, kept)
				}
			})
		})
	}
}

// Recalled fails for days, the process starts anew after 80 hours.
func TestTheStoreDoesNotKeepThatItIsKnown(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.refusedThenPaid(t, r.Service)
		back := r.onCopy(older)
		unkept := func(o *checkout.Options) {
			o.Recalled = func(context.Context, time.Time) error { return fault.New(fault.Unavailable, "scripted", "") }
		}
		_, stop := r.killable(t, "two", back, unkept)
		<-time.After(30 * time.Second) // in the midst of the walk
		stop()
		<-time.After(80 * time.Hour)
		s := r.another(t, "three", back, unkept)
		<-time.After(time.Second)
		_, _ = s.Confirm(t.Context(), tenant, first.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		<-time.After(3 * time.Minute)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if err != nil || p.Status != payment.Succeeded || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s, charges %v, %v", p.Status, r.charges(), err)
		}
	})
}
