package payments_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/storecopy"
	"patchbay/core/webhook"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// The first look at what was made fails, for a reason for which nothing else is tried again.
func TestFailedMergeOfAFoundIntentIsRetried(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Overloaded, fault.Unauthorized, fault.Refused, fault.Internal} {
		t.Run("the first look is answered "+kind.String(), func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
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
				if p, err := s.Get(t.Context(), tenant, first.ID); err != nil || p.Status != payment.Succeeded || p.ProviderReference != first.ProviderReference {
					t.Errorf("70 hours later it is %s (%s), %v", p.Status, route(p), err)
				}
				<-time.After(3 * time.Hour)
				_, err := s.Confirm(t.Context(), tenant, first.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
					t.Errorf("charges %s, %v", got, err)
				}
			})
		})
	}
}

// The provider cannot tell of one payment. Several are behind it, in whatever order they are
// taken in.
func TestOneFailingMergeDelaysNoOther(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
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
		s := r.begins(t, c0, true, "two", func(o *payments.Options) {
			o.Gateways = []ports.PaymentGateway{bad}
		})
		<-time.After(100 * time.Hour)
		paid := 0
		for _, id := range ids {
			if p, _ := s.Get(t.Context(), tenant, id); p.Status == payment.Succeeded {
				paid++
			}
		}
		if n := bad.asked.Load(); paid != 9 || n > 1000 {
			t.Errorf("100 hours later %d of 10 payments are shown paid; the provider was asked %d times about the one", paid, n)
		}
	})
}

// poisoned is a provider that lists one intent, and does not tell of it.
type poisoned struct {
	*provider
	bad   string
	asked atomic.Int64
}

func (p *poisoned) Retrieve(ctx context.Context, ref string) (payment.Intent, error) {
	if ref == p.bad {
		p.asked.Add(1)
		return payment.Intent{}, fault.New(fault.UnknownOutcome, "scripted", "")
	}
	return p.provider.Retrieve(ctx, ref)
}

// Events of the provider that was paid come all the time while it is read.
func TestEventsWhileTheProvidersAreReadLeaveThePaymentToOneProvider(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]bool{"the copy has it open": true, "the copy has it refused": false} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				var older *memjournal.Journal
				var first payment.Payment
				if open {
					older, first = r.failedOver(t)
				} else {
					older, first = r.refusedThenPaid(t, r.Service)
				}
				<-time.After(time.Hour)
				r.all[1].failPages(3)
				events := func(o *payments.Options) { o.Events = r.all[1] }
				s := r.restored(t, older, events)
				for range 600 {
					_, _ = s.ApplyWebhook(t.Context(), webhook.Event{Provider: "second", ID: first.ProviderReference})
					_, _ = s.Confirm(t.Context(), tenant, first.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
					<-time.After(300 * time.Millisecond)
				}
				p, err := s.Get(t.Context(), tenant, first.ID)
				if err != nil || p.Status != payment.Succeeded || p.NeedsReview || fmt.Sprint(r.charges()) != "[0 1 0]" {
					t.Errorf("%s, review %t, %s, charges %v, %v", p.Status, p.NeedsReview, route(p), r.charges(), err)
				}
			})
		})
	}
}

// The copy has the payment at the first provider. Events of the second come, which was paid.
func TestAnEventOfWhatAnotherProviderMadeWaitsUntilThatIsKnown(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		older, first := r.failedOver(t)
		r.all[2].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.restored(t, older, func(o *payments.Options) { o.Events = r.all[1] })
		e := webhook.Event{Provider: "second", ID: first.ProviderReference}
		if _, err := s.ApplyWebhook(t.Context(), e); fault.From(err).Code != payments.CodeRestored {
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

// That everything was taken in is kept once. A process that starts when callers have no keys
// from before any more looks nevertheless if it is not.
func TestCompletedMergeIsRecorded(t *testing.T) {
	t.Parallel()
	for name, recalled := range map[string]bool{"it is kept, and nobody is asked again": true, "it is not, so that all are asked, and it is tried again": false} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				restore := payments.Restore{At: time.Now(), Recalled: recalled}
				<-time.After(100 * time.Hour)
				kept := 0
				pages := r.provider.pages
				r.another(t, "two", func(o *payments.Options) {
					o.Restored = func() payments.Restore { return restore }
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

// The first process ends while it reads what the providers hold, and the store does not keep
// for any that this was taken in.
func TestAProcessThatStartsDaysLaterChargesNobodyAgainThoughNothingWasKept(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		older, first := r.refusedThenPaid(t, r.Service)
		back := r.onCopy(older)
		unkept := func(o *payments.Options) {
			o.Recalled = func(context.Context, time.Time) error { return fault.New(fault.Unavailable, "scripted", "") }
		}
		_, stop := r.killable(t, "two", back, unkept)
		<-time.After(30 * time.Second) // before all is read
		stop()
		<-time.After(80 * time.Hour)
		s := r.another(t, "three", back, unkept)
		<-time.After(time.Second)
		_, _ = s.Confirm(t.Context(), tenant, first.ID, payments.ConfirmRequest{}, opKey("confirm", "c"))
		<-time.After(3 * time.Minute)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if err != nil || p.Status != payment.Succeeded || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s, charges %v, %v", p.Status, r.charges(), err)
		}
	})
}

// The clock is 80 hours ahead when the copy, which has no event, is first used: what was paid is
// before all that would be read by it.
func TestAClockThatWasAheadAtTheStartChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		<-time.After(time.Hour)
		older := memjournal.New(clock.System{})
		first := r.paid(t)
		<-time.After(30 * time.Hour)
		r.provider.forgets()
		clock := &skewed{}
		clock.set(80 * time.Hour)
		restore := payments.Restore{At: clock.Now()}
		s := r.restored(t, older, func(o *payments.Options) {
			o.Clock, o.Restored = clock, func() payments.Restore { return restore }
		})
		<-time.After(3 * time.Minute)
		clock.set(0)
		again := mustPay(t, s, "k")
		if n := r.provider.captured(); n != 1 || again.ID != first.ID {
			t.Errorf("got %d charges, %s, want 1, %s", n, again.ID, first.ID)
		}
	})
}

// Two intents of one payment are at the provider: nobody is asked to look.
func TestASecondIntentThatIsReadNeedsReview(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		p := r.paid(t)
		c0 := cloned(t, r.journal)
		r.provider.forgets()
		<-time.After(time.Minute)
		i, err := r.provider.Create(t.Context(), payment.CreateRequest{
			Key: "late", Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok", Confirm: true,
			Metadata: map[string]string{payment.MetaPayment: p.ID, payment.MetaTenant: tenant},
		})
		if err != nil || i.Reference == p.ProviderReference {
			t.Fatal(err)
		}
		s := r.begins(t, c0, true, "a")
		<-time.After(time.Hour)
		if now, err := s.Get(t.Context(), tenant, p.ID); err != nil || !now.NeedsReview {
			t.Errorf("two charges; review: %t, %v", now.NeedsReview, err)
		}
	})
}

// The store is lost, and a new, empty one is in its place; what this directory has seen of it says so.
func TestAnEmptyStoreInPlaceOfALostOneIsAnOlderOne(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		first := r.paid(t)
		_, _ = r.journal.Publish(t.Context(), 1000)
		seen, err := storecopy.Point{}.Latest(t.Context(), r.journal)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(25 * time.Hour)
		r.provider.forgets()
		empty := memjournal.New(clock.System{})
		older, err := seen.Behind(t.Context(), empty)
		if err != nil || !older {
			t.Fatal(older, err)
		}
		s := r.begins(t, empty, older, "a")
		<-time.After(3 * time.Minute)
		again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 || again.Payment.ID != first.ID {
			t.Errorf("%d charges, %v", n, err)
		}
	})
}

// named is a provider under another name.
type named struct {
	*provider
	as string
}

func (n named) Name() string { return n.as }

// oneAccount has all names mean one account.
type oneAccount struct{}

func (oneAccount) Account(string) string { return "acct_1" }

func (oneAccount) Pending(string) bool { return false }

func TestAnIntentThatIsReadByTwoNamesOfItsAccountNeedsNoReview(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		twice := func(o *payments.Options) {
			o.Accounts, o.Gateways = oneAccount{}, []ports.PaymentGateway{r.provider, named{r.provider, "alias"}}
		}
		p := mustPay(t, r.another(t, "one", twice), "k")
		s := r.restored(t, r.backup(t, p.ID), twice)
		<-time.After(time.Hour)
		if now, err := s.Get(t.Context(), tenant, p.ID); err != nil || now.NeedsReview {
			t.Errorf("got review %t, %v, want none", now.NeedsReview, err)
		}
	})
}
