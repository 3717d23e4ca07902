package payments_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/record"
	"patchbay/tests/memjournal"
)

// A single reading of a clock gives up no key: where the store has the gateway's clock, and
// that is set, a repeat is still the payment that was made.
func TestClockChangeExpiresNoKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ paid, then time.Duration }{
		"80 hours behind while it is paid":                 {-80 * time.Hour, 0},
		"80 hours ahead for two minutes afterwards":        {0, 80 * time.Hour},
		"a year behind while it is paid":                   {-365 * 24 * time.Hour, 0},
		"a year ahead for two minutes afterwards":          {0, 365 * 24 * time.Hour},
		"behind while it is paid, and ahead afterwards":    {-80 * time.Hour, 80 * time.Hour},
		"ahead while it is paid, and behind afterwards":    {80 * time.Hour, -80 * time.Hour},
		"behind while it is paid, and less so for a while": {-160 * time.Hour, -80 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				behind := &skewed{}
				behind.set(tt.paid)
				s := r.another(t, "two", func(o *payments.Options) { o.Journal, o.Clock = memjournal.New(behind), behind })
				first := mustPay(t, s, "k")
				if _, err := s.Refund(t.Context(), tenant, first.ID, 100, opKey("refunds", "r")); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				behind.set(tt.then)
				<-time.After(2 * time.Minute)
				behind.set(0)
				for _, later := range []time.Duration{2 * time.Minute, 20 * time.Hour} {
					<-time.After(later)
					if again := mustPay(t, s, "k"); again.ID != first.ID {
						t.Errorf("%s later: %s, was %s", later, again.ID, first.ID)
					}
					if _, err := s.Refund(t.Context(), tenant, first.ID, 100, opKey("refunds", "r")); err != nil {
						t.Error(err)
					}
				}
				if n, back := r.provider.captured(), r.provider.givenBack(); n != 1 || back != 100 {
					t.Errorf("%d charges, %d given back", n, back)
				}
			})
		})
	}
}

// Leases, and the time of keys, run by the store's clock: those of the gateways need not agree.
func TestDisagreeingClocksExpireNoKeyEarly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ a, b time.Duration }{
		"the other is 80 hours ahead":               {0, 80 * time.Hour},
		"the one that was asked is 80 hours behind": {-80 * time.Hour, 0},
		"the one that was asked is 80 hours ahead":  {80 * time.Hour, 0},
		"the other is 80 hours behind":              {0, -80 * time.Hour},
		"one is behind, the other ahead":            {-80 * time.Hour, 80 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				one, other := &skewed{}, &skewed{}
				one.set(tt.a)
				other.set(tt.b)
				shared := memjournal.New(clock.System{})
				r.another(t, "b", func(o *payments.Options) { o.Journal, o.Clock = shared, other })
				<-time.After(30 * time.Second)
				a := r.another(t, "a", func(o *payments.Options) { o.Journal, o.Clock = shared, one })
				req := request()
				req.PaymentMethod = "pm_bank" // it is processing, and is asked about
				const payments = 12           // it is by chance who asks about one
				for range 3 {
					for i := range payments {
						if _, err := a.Create(t.Context(), tenant, req, key(fmt.Sprint("k", i), "a")); err != nil {
							t.Fatal(err)
						}
					}
					<-time.After(10 * time.Hour)
				}
				if n := len(r.provider.intents); n != payments {
					t.Errorf("%d intents for %d payments", n, payments)
				}
			})
		})
	}
}

// A clock that is behind of the store's is not asked over and over whether it has come yet.
func TestPaymentAtRestIsClaimedRarelyWhateverTheClock(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{0, -80 * time.Hour, 80 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				behind := &skewed{}
				behind.set(by)
				shared := memjournal.New(clock.System{})
				s := r.another(t, "two", func(o *payments.Options) { o.Journal, o.Clock = shared, behind })
				req := request()
				req.PaymentMethod = "pm_bank"
				res, err := s.Create(t.Context(), tenant, req, key("k", "a"))
				if err != nil {
					t.Fatal(err)
				}
				before, _ := shared.Get(t.Context(), tenant, "payment", res.Payment.ID)
				<-time.After(24 * time.Hour)
				after, err := shared.Get(t.Context(), tenant, "payment", res.Payment.ID)
				if n := after.Rev - before.Rev; err != nil || n > 20 {
					t.Errorf("it was written %d times in a day, %v", n, err)
				}
			})
		})
	}
}

// Three steps are two writes more than one comparison.
func TestKeyAgeTakesThreeWrites(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		p := r.paid(t)
		before, _ := r.journal.Get(t.Context(), tenant, "payment", p.ID)
		<-time.After(30 * 24 * time.Hour)
		after, err := r.journal.Get(t.Context(), tenant, "payment", p.ID)
		if n := after.Rev - before.Rev; err != nil || n != 3*2 || after.Queue != "" { // a claim and a save each
			t.Errorf("%d revisions, %v; it waits in %q", n, err, after.Queue)
		}
	})
}

// A key under which something is tried again has all its time from then on.
func TestKeyAgeRestartsWithANewTry(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.Unavailable))
		for range 3 {
			if _, err := r.pay(t, "k"); !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
			<-time.After(60 * time.Hour)
		}
		r.provider.failBefore(nil)
		first := r.paid(t)
		<-time.After(idempotency.Kept - time.Minute)
		if again := r.paid(t); again.ID != first.ID {
			t.Errorf("%s, was %s", again.ID, first.ID)
		}
	})
}

// An earlier version has counted nothing. Its keys are kept for as long at least, and not for
// ever.
func TestKeyOfEarlierVersionIsNotExpiredByOneReadingOfTheClock(t *testing.T) {
	for name, due := range map[string]time.Duration{"it is due": -time.Minute, "it is due in a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				first := r.paid(t)
				var p payment.Payment
				stored, err := r.journal.Get(t.Context(), tenant, "payment", first.ID)
				if err == nil {
					err = record.DecodeJSON("payment", stored.Body, &p)
				}
				if err != nil {
					t.Fatal(err)
				}
				ended := time.Now().Add(due - idempotency.Kept)
				op := &p.Operations[0]
				op.Age, op.StartedAt, op.EndedAt = idempotency.Age{}, ended, ended
				if stored.Body, err = json.Marshal(p); err != nil {
					t.Fatal(err)
				}
				stored.Due = ended.Add(idempotency.Kept)
				if err := r.journal.Save(t.Context(), &stored)[0]; err != nil {
					t.Fatal(err)
				}
				<-time.After(max(due, 0) + 47*time.Hour)
				if again := r.paid(t); again.ID != first.ID {
					t.Errorf("%s, was %s", again.ID, first.ID)
				}
				<-time.After(2 * time.Hour)
				if again := r.paid(t); again.ID == first.ID {
					t.Error("it is kept for longer than its steps")
				}
			})
		})
	}
}
