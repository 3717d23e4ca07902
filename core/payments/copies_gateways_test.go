package payments_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/storecopy"
	"patchbay/tests/memjournal"
)

// Each gateway on a store has its own note of how far it has seen that. One starts a while
// after the other, when the copy has new events.
func TestASecondGatewayThatNoticesARestoreLaterChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		k := mustPay(t, r.Service, "k")
		_, _ = r.journal.Publish(t.Context(), 1000)
		seen, err := storecopy.Point{}.Latest(t.Context(), r.journal) // what both have noted
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(25 * time.Hour)
		r.provider.forgets()
		older, err := seen.Behind(t.Context(), c0)
		if err != nil {
			t.Fatal(err)
		}
		a := r.begins(t, c0, older, "a")
		<-time.After(2 * time.Minute)
		mustPay(t, a, "l")
		_, _ = c0.Publish(t.Context(), 1000)
		<-time.After(10 * time.Minute)
		if older, err = seen.Behind(t.Context(), c0); err != nil {
			t.Fatal(err)
		}
		b := r.begins(t, c0, older, "b")
		<-time.After(2 * time.Minute)
		again, err := b.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 3 || err != nil || again.Payment.ID != k.ID {
			t.Errorf("%d charges for 3 payments; %s, was %s, %v", n, again.Payment.ID, k.ID, err)
		}
	})
}

// All providers know their keys still. The first would take what only the second has made.
func TestASecondGatewayThatNoticesARestoreLaterStaysWithTheProviderThatWasPaid(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		used(t, r.journal)
		pay := func(s *payments.Service, k string) payment.Payment {
			res, err := s.Create(t.Context(), tenant, everywhere(), key(k, "a"))
			if err != nil {
				t.Fatal(k, err)
			}
			return res.Payment
		}
		pay(r.Service, "early")
		c0 := cloned(t, r.journal)
		<-time.After(time.Minute)
		r.provider.failBefore(always(fault.Unavailable))
		k := pay(r.Service, "k")
		r.provider.failBefore(nil)
		<-time.After(7 * time.Hour)
		a := r.begins(t, c0, true, "a")
		<-time.After(2 * time.Minute)
		pay(a, "l")
		_, _ = c0.Publish(t.Context(), 1000)
		b := r.begins(t, c0, true, "b")
		<-time.After(2 * time.Minute)
		again := pay(b, "k")
		if got := fmt.Sprint(r.charges()); got != "[2 1 0]" || again.ID != k.ID || again.Provider != k.Provider {
			t.Errorf("charges %s; k is %s at %s, was %s at %s", got, again.ProviderReference, again.Provider, k.ProviderReference, k.Provider)
		}
	})
}

// It has nothing to know the restore by. Another gateway notices it a second later.
func TestAGatewayThatStartedBeforeARestoreWasNoticedChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		first := mustPay(t, r.Service, "k")
		<-time.After(25 * time.Hour)
		r.provider.forgets()
		b := r.begins(t, c0, false, "b") // its directory is new
		<-time.After(time.Second)
		r.begins(t, c0, true, "a")
		<-time.After(10 * time.Hour)
		again, err := b.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 2 || err != nil || again.Payment.ID != first.ID {
			t.Errorf("ten hours later: %d charges for 2 payments; %s, was %s, %v", n, again.Payment.ID, first.ID, err)
		}
	})
}

// Both are asked for each payment again and again, until it is answered.
func TestTwoGatewaysThatNoticeARestoreChargeEachKeyOnce(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]time.Duration{"at once": 0, "a second apart": time.Second, "half a minute apart": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				used(t, r.journal)
				older := memjournal.New(clock.System{})
				used(t, older)
				r.provider.failBefore(always(fault.Unavailable))
				var ids []string
				for i := range 6 {
					res, err := r.Create(t.Context(), tenant, everywhere(), key(fmt.Sprint("k", i), "a"))
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, res.Payment.ID)
				}
				r.provider.failBefore(nil)
				r.all[2].failPages(2)
				<-time.After(time.Hour)
				a := r.begins(t, older, true, "a")
				<-time.After(apart)
				b := r.begins(t, older, true, "b")
				ok := make(chan int, 12)
				for i := range 6 {
					for _, s := range []*payments.Service{a, b} {
						go func() {
							n := 0
							for range 200 {
								res, err := s.Create(t.Context(), tenant, everywhere(), key(fmt.Sprint("k", i), "a"))
								if err == nil && res.Payment.Status == payment.Succeeded {
									n = 1
									break
								}
								_, _ = s.Confirm(t.Context(), tenant, ids[i], payments.ConfirmRequest{}, opKey("confirm", fmt.Sprint(i, time.Now())))
								_, _ = s.Get(t.Context(), tenant, ids[i])
								<-time.After(time.Second)
							}
							ok <- n
						}()
					}
				}
				done := 0
				for range 12 {
					done += <-ok
				}
				if got := fmt.Sprint(r.charges()); got != "[0 6 0]" || done != 12 {
					t.Errorf("charges %s, %d of 12 answered", got, done)
				}
			})
		})
	}
}

// They have noticed the restore at different times, so that what one has brought up to date
// could be outdated to the other.
func TestGatewaysReadProvidersWithoutTakingTurns(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		p := mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		<-time.After(100 * time.Hour)
		a := r.begins(t, c0, true, "a")
		<-time.After(5 * time.Minute)
		b := r.begins(t, c0, true, "b")
		<-time.After(5 * time.Minute)
		looks := r.provider.sightings()
		for range 20 {
			_, _ = a.Get(t.Context(), tenant, p.ID)
			<-time.After(time.Second)
			_, _ = b.Get(t.Context(), tenant, p.ID)
			<-time.After(time.Second)
		}
		if n := len(looks()); n > 2 {
			t.Errorf("40 reads of a payment that is done: the provider was asked %d times", n)
		}
	})
}

// b starts on the copy a second before a does, and has nothing to know the restore by (its machine
// was stopped before the copy was made). a notices it, and says so in the store's mark. Ten hours
// later a refund's key is repeated at b.
func TestAGatewayThatStartedBeforeARestoreWasNoticedRefundsNothingAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		p := r.paid(t)
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		if _, err := r.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r")); err != nil {
			t.Fatal(err)
		}
		<-time.After(25 * time.Hour)
		r.provider.forgets()
		b := r.begins(t, c0, false, "b", marked(t, c0))
		<-time.After(time.Second)
		r.begins(t, c0, true, "a")
		b.RestoreNoticed()
		<-time.After(10 * time.Hour)
		res, err := b.Refund(t.Context(), tenant, p.ID, 300, opKey("refunds", "r"))
		if n := r.provider.givenBack(); n != 300 {
			t.Errorf("%d given back, %+v, %v", n, res.Operation.Outcome, err)
		}
	})
}

// The same two; the provider that was paid does not tell for hours what it holds. a answers 503.
func TestAGatewayThatStartedBeforeARestoreWasNoticedIsHeldAsWell(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		used(t, r.journal)
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		r.provider.failBefore(always(fault.Unavailable))
		res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || res.Payment.Provider != "second" {
			t.Fatal(err)
		}
		r.provider.failBefore(nil)
		<-time.After(time.Hour)
		r.all[1].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		b := r.begins(t, c0, false, "b", marked(t, c0))
		<-time.After(time.Second)
		a := r.begins(t, c0, true, "a")
		b.RestoreNoticed()
		<-time.After(5 * time.Hour)
		if _, err := a.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != payments.CodeRestored {
			t.Fatal(err)
		}
		again, err := b.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
			t.Errorf("charges %s: %s, %v", got, again.Payment.Provider, err)
		}
	})
}

// marked has a gateway read the store's mark anew each time, as app/restored.go does every ten
// seconds.
func marked(t *testing.T, j *memjournal.Journal) func(*payments.Options) {
	return func(o *payments.Options) {
		o.Restored = func() payments.Restore {
			last, err := storecopy.Use(t.Context(), j, clock.System{}, false)
			if err != nil {
				t.Error(err)
			}
			return payments.Restore{At: last.At, Since: last.Since, Recalled: !last.Unrecalled}
		}
	}
}
