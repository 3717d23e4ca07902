package checkout_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/payment"
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
			among(t, three, func(t *testing.T, r *rig) {
				var older []payment.Payment
				if tt.older {
					for _, p := range r.all {
						p.failBefore(always(fault.Unavailable))
					}
					res, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
					if !fault.Is(err, fault.Unavailable) {
						t.Fatal(err)
					}
					older = append(older, res.Payment)
					for _, p := range r.all {
						p.failBefore(nil)
					}
				}
				tt.since(r)
				first, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || first.Payment.Status != payment.Succeeded {
					t.Fatalf("%+v, %v", first.Payment, err)
				}
				charges := fmt.Sprint(r.charges())
				for _, p := range r.all {
					p.failBefore(nil)
				}
				<-time.After(25 * time.Hour) // the provider may have forgotten its key
				for _, p := range r.all {
					clear(p.byKey)
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

func TestAfterAnOlderCopyWasPutBackNothingIsMadeUntilAllProvidersHaveTold(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		known, err := r.Create(t.Context(), tenant, everywhere(), key("known", "a"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.all {
			p.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		}
		s := r.putBack(t, known.Payment)
		<-time.After(time.Minute)
		if res, err := s.Create(t.Context(), tenant, everywhere(), key("known", "a")); err != nil || !res.Replayed || res.Payment.Status != payment.Succeeded {
			t.Errorf("what the copy has: %+v, %v", res, err)
		}
		if _, err := s.Create(t.Context(), tenant, everywhere(), key("known", "b")); fault.From(err).Code != idem.CodeMismatch {
			t.Errorf("another body under its key: %v", err)
		}
		r.all[0].cannotLook(nil)
		r.all[1].cannotLook(nil)
		<-time.After(time.Minute)
		if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != "restored_store" || fault.From(err).RetryAfter == 0 {
			t.Errorf("%v", err)
		}
		r.all[2].cannotLook(nil)
		<-time.After(70 * time.Second)
		if res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil || res.Payment.Status != payment.Succeeded {
			t.Errorf("%+v, %v", res.Payment, err)
		}
	})
}

func TestAPaymentThatWasCanceledIsNotChargedByAnOlderCopy(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		unconfirmed := checkout.CreateRequest{Amount: 1250, Currency: "eur", PaymentMethod: "pm_ok"}
		first, err := r.Create(t.Context(), tenant, unconfirmed, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Cancel(t.Context(), tenant, first.Payment.ID, opKey("cancel", "c")); err != nil {
			t.Fatal(err)
		}
		clear(r.provider.byKey)
		s := r.putBack(t)
		<-time.After(time.Second)
		again, err := s.Create(t.Context(), tenant, unconfirmed, key("k", "a"))
		if err != nil || again.Payment.Status != payment.Canceled || len(r.provider.intents) != 1 {
			t.Errorf("%+v, %v", again.Payment, err)
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
