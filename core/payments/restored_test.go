package payments_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

func TestAfterAnOlderCopyWasPutBackWhatIsThereIsTaken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		older bool // the payment is in the copy, refused everywhere
		since func(r *rig)
	}{
		"that another provider made":                 {false, func(r *rig) { r.provider.failBefore(always(fault.Unavailable)) }},
		"that the same made":                         {false, func(*rig) {}},
		"that another made after all had refused it": {true, func(r *rig) { r.provider.failBefore(always(fault.RateLimited)) }},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				var older []payment.Payment
				if tt.older {
					r.failAll(always(fault.Unavailable))
					res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
					if !fault.Is(err, fault.Unavailable) {
						t.Fatal(err)
					}
					older = append(older, res.Payment)
					r.failAll(nil)
				}
				tt.since(r)
				first, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || first.Payment.Status != payment.Succeeded {
					t.Fatalf("status = %q, error %v; want %q", first.Payment.Status, err, payment.Succeeded)
				}
				charges := fmt.Sprint(r.charges())
				r.failAll(nil)
				<-time.After(25 * time.Hour)
				for _, p := range r.all {
					p.forgets()
				}
				s := r.putBack(t, older...)
				<-time.After(time.Second)
				again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || again.Payment.ID != first.Payment.ID || again.Payment.ProviderReference != first.Payment.ProviderReference ||
					again.Payment.Provider != first.Payment.Provider || again.Payment.Status != payment.Succeeded {
					t.Errorf("%+v, %v", again.Payment, err)
				}
				if got := fmt.Sprint(r.charges()); got != charges {
					t.Errorf("charges %s, were %s", got, charges)
				}
				<-time.After(time.Minute) // what was under way is done
				if fresh, err := s.Create(t.Context(), tenant, everywhere(), key("l", "a")); err != nil || fresh.Payment.Status != payment.Succeeded {
					t.Errorf("another key: %+v, %v", fresh.Payment, err)
				}
			})
		})
	}
}

func TestAPaymentThatWasCanceledIsNotChargedByAnOlderCopy(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		unconfirmed := payments.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok"}
		first, err := r.Create(t.Context(), tenant, unconfirmed, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Cancel(t.Context(), tenant, first.Payment.ID, opKey("cancel", "c")); err != nil {
			t.Fatal(err)
		}
		r.provider.forgets()
		s := r.putBack(t)
		<-time.After(61 * time.Second)
		again, err := s.Create(t.Context(), tenant, unconfirmed, key("k", "a"))
		if err != nil || again.Payment.Status != payment.Canceled || len(r.provider.intents) != 1 {
			t.Errorf("%+v, %v", again.Payment, err)
		}
	})
}

// A provider that has told holds a canceled intent of the payment; the one that was paid has
// not told yet, while callers ask.
func TestACanceledIntentDoesNotHideThePaidOne(t *testing.T) {
	t.Parallel()
	for has, absent := range map[string]bool{"the copy has the payment open": false, "the copy does not have the payment": true} {
		for where, at := range map[string]int{"the first provider has it": 0, "the last provider has it": 2} {
			t.Run(has+", "+where, func(t *testing.T) {
				withProviders(t, three, func(t *testing.T, r *rig) {
					older, first := r.failedOver(t)
					if absent {
						older = memjournal.New(clock.System{})
					}
					i, err := r.all[1].Retrieve(t.Context(), first.ProviderReference)
					if err != nil {
						t.Fatal(err)
					}
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

// The process that had the store before was killed in its call. The provider does what was
// asked for after it has told for the first time what it holds.
func TestWhatWasUnderWayWhenTheStoreWasPutBackIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{
		"a second later":                         time.Second,
		"20 seconds later":                       20 * time.Second,
		"just before its call would be given up": 29 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(fault.Unavailable))
				r.all[1].failBefore(func(context.Context, payment.Action, int) error {
					<-time.After(late)
					return nil
				})
				older := memjournal.New(clock.System{}) // from before the payment
				r.copied = time.Now()
				go func() { _, _ = r.Create(t.Context(), tenant, everywhere(), key("k", "a")) }()
				synctest.Wait()
				r.provider.failBefore(nil)
				s := r.restored(t, older)
				var again payments.Result
				var err error
				for range 100 {
					if again, err = s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err == nil {
						break
					}
					<-time.After(time.Second)
				}
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" || again.Payment.Provider != "second" || err != nil {
					t.Errorf("charges %s, at %s, %v", got, again.Payment.Provider, err)
				}
			})
		})
	}
}
