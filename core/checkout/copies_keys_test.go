package checkout_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/checkout"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/memjournal"
)

// The outcome was unknown for 80 hours, so that the caller's key lives for 72 hours more.
func TestAKeyWhoseUseEndedLate(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.copied = time.Now()
		older := memjournal.New(sys.Clock{})
		r.provider.failAfter(always(fault.UnknownOutcome))
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(80 * time.Hour)
		r.provider.failAfter(nil)
		r.provider.cannotLook(nil)
		<-time.After(time.Hour)
		again, err := r.pay(t, "k")
		if err != nil || again.Payment.ID != first.Payment.ID || again.Payment.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Fatalf("without a restore: %+v, %v", again.Payment, err)
		}
		r.provider.forgets()
		s := r.restored(t, older)
		<-time.After(2 * time.Minute)
		again, err = s.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, first.Payment.ID, err)
		}
	})
}

// A provider tells after more than 72 hours; the caller has been told all the while to ask again.
func TestAProviderThatTellsAfterThreeDays(t *testing.T) {
	t.Parallel()
	for _, blind := range []time.Duration{60 * time.Hour, 74 * time.Hour} {
		t.Run(blind.String(), func(t *testing.T) {
			among(t, three, func(t *testing.T, r *rig) {
				older := memjournal.New(sys.Clock{})
				r.copied = time.Now()
				r.provider.failBefore(always(fault.Unavailable))
				first, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if err != nil || first.Payment.Provider != "second" {
					t.Fatal(err)
				}
				r.provider.failBefore(nil)
				<-time.After(time.Hour)
				r.all[1].cannotLook(fault.New(fault.Unauthorized, "scripted", ""))
				s := r.restored(t, older)
				until := time.Now().Add(blind)
				refused := 0
				for time.Now().Before(until) {
					<-time.After(30 * time.Minute)
					if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != "restored_store" {
						t.Fatalf("%v", err)
					}
					refused++
				}
				r.all[1].cannotLook(nil)
				<-time.After(3 * time.Minute)
				again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
					t.Errorf("refused %d times, then charges %s: %s at %s, %v", refused, got, again.Payment.ID, again.Payment.Provider, err)
				}
			})
		})
	}
}

// A payment with expiresAt that the copy does not have.
func TestAPaymentIsRepeatedAfterItsExpiresAt(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		older := memjournal.New(sys.Clock{})
		r.copied = time.Now()
		req := request()
		req.ExpiresAt = time.Now().Add(10 * time.Minute)
		first, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil || first.Payment.Status != payment.Succeeded {
			t.Fatal(err)
		}
		<-time.After(20 * time.Minute)
		if again, err := r.Create(t.Context(), tenant, req, key("k", "a")); err != nil || again.Payment.Status != payment.Succeeded {
			t.Fatalf("without a restore: %v", err)
		}
		s := r.restored(t, older)
		<-time.After(3 * time.Minute)
		again, err := s.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil || again.Payment.Status != payment.Succeeded {
			t.Errorf("%+v, %v; the buyer has paid: %d", again.Payment.Status, err, r.provider.captured())
		}
	})
}

// The clock is 80 hours behind at the start after the restore, and set right later.
func TestTheClockWasBehindAtTheStart(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older := memjournal.New(sys.Clock{})
		r.copied = time.Now()
		<-time.After(79 * time.Hour)
		r.provider.failBefore(always(fault.Unavailable))
		first, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil || first.Payment.Provider != "second" {
			t.Fatal(err)
		}
		r.provider.failBefore(nil)
		<-time.After(time.Hour)
		clock := &skewed{}
		clock.set(-80 * time.Hour) // as when the copy was made
		restore := checkout.Restore{At: clock.Now(), Since: r.copied}
		s := r.restored(t, older, func(o *checkout.Options) {
			o.Clock, o.Restored = clock, func() checkout.Restore { return restore }
		})
		<-time.After(3 * time.Minute)
		clock.set(0)
		again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if got := fmt.Sprint(r.charges()); got != "[0 1 0]" {
			t.Errorf("charges %s: %s, %v", got, again.Payment.Provider, err)
		}
	})
}

// The same key with another amount, for a payment that the copy does not have.
func TestAnotherAmountUnderTheKeyIsRefused(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		older := memjournal.New(sys.Clock{})
		r.copied = time.Now()
		mustPay(t, r.Service, "k")
		s := r.restored(t, older)
		<-time.After(2 * time.Minute)
		req := request()
		req.Amount = 9900
		res, err := s.Create(t.Context(), tenant, req, key("k", "b"))
		_, honest := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if err == nil {
			t.Errorf("another amount: %s, amount %d, captured %d, review %t; the first request again: %v", res.Payment.Status, res.Payment.Amount, res.Payment.AmountCaptured, res.Payment.NeedsReview, honest)
		}
	})
}

// A key that was used anew when its first use had expired: its last use is the answer, however
// long ago that was. Nobody knows any more when it has expired.
func TestAnOlderCopyDoesNotKnowOfAKeysUses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ between, later time.Duration }{
		{74 * time.Hour, time.Hour},
		{100 * time.Hour, time.Hour},
		{100 * time.Hour, 60 * time.Hour},
		{100 * time.Hour, 90 * time.Hour},
	} {
		t.Run(fmt.Sprintf("used after %s, put back %s later", tt.between, tt.later), func(t *testing.T) {
			within(t, func(t *testing.T, r *rig) {
				r.copied = time.Now()
				first := r.paid(t)
				<-time.After(tt.between)
				second := r.paid(t)
				if first.ID == second.ID {
					t.Fatal("the key has not expired")
				}
				<-time.After(tt.later)
				r.provider.forgets()
				s := r.restored(t, memjournal.New(sys.Clock{}))
				<-time.After(2 * time.Minute)
				again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				if err != nil || again.Payment.ID != second.ID || r.provider.captured() != 2 {
					t.Errorf("%s of %s and %s, %d charges, %v", again.Payment.ID, first.ID, second.ID, r.provider.captured(), err)
				}
			})
		})
	}
}

// The copy has the first use of a key open, which came to nothing; the second was paid.
func TestTheFirstUseOfAKeyIsOpenInTheCopy(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.UnknownOutcome))
		first, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		older := r.backup(t, first.Payment.ID)
		<-time.After(3 * time.Hour)
		if p := r.status(t, first.Payment.ID); p.Status != payment.Canceled {
			t.Fatalf("%+v", p)
		}
		r.provider.failBefore(nil)
		<-time.After(73 * time.Hour)
		second := mustPay(t, r.Service, "k")
		<-time.After(time.Hour)
		s := r.restored(t, older)
		<-time.After(3 * time.Minute)
		one, err1 := s.Create(t.Context(), tenant, request(), key("k", "a"))
		<-time.After(5 * time.Hour)
		two, err2 := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if two.Payment.ID != second.ID {
			t.Errorf("first it is %s, %v; later %s, %v; the buyer has paid: %d", one.Payment.Status, err1, two.Payment.Status, err2, r.provider.captured())
		}
	})
}

// The copy has the first use of a key, which was refused and has expired. The second was
// paid. It is repeated before the copy's keys are given up.
func TestTheFirstUseOfAKeyHasNotBeenGivenUpYet(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.pay(t, "k")
		older := r.backup(t, first.Payment.ID)
		<-time.After(73 * time.Hour)
		second := mustPay(t, r.Service, "k")
		if second.ID == first.Payment.ID {
			t.Fatal("the key has not expired")
		}
		<-time.After(time.Hour)
		older.Fail = func(op string) error { // many others have expired as well
			if op == memjournal.Claim {
				<-time.After(20 * time.Second)
			}
			return nil
		}
		s := r.restored(t, older)
		<-time.After(5 * time.Second)
		again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, second.ID, err)
		}
	})
}
