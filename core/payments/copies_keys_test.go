package payments_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// The outcome of its use was unknown for 80 hours, so that the caller's key lives for 72 hours
// more.
func TestAKeyWhoseUseEndedLateIsNotChargedAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.copied = time.Now()
		older := memjournal.New(clock.System{})
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
		if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != first.Payment.ID {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, first.Payment.ID, err)
		}
	})
}

// The provider that was paid does not tell before that.
func TestRepeatsDuringLongHoldChargeOnce(t *testing.T) {
	t.Parallel()
	for name, blind := range map[string]time.Duration{
		"for less than keys are kept": 60 * time.Hour,
		"for more than keys are kept": 74 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				older := memjournal.New(clock.System{})
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
				for time.Now().Before(until) {
					<-time.After(30 * time.Minute)
					if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != payments.CodeRestored {
						t.Fatalf("%v", err)
					}
				}
				r.all[1].cannotLook(nil)
				<-time.After(3 * time.Minute)
				again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if got := fmt.Sprint(r.charges()); got != "[0 1 0]" || err != nil || again.Payment.ID != first.Payment.ID {
					t.Errorf("charges %s: %s at %s, %v", got, again.Payment.ID, again.Payment.Provider, err)
				}
			})
		})
	}
}

func TestAPaymentThatWasPaidInTimeIsAnsweredAfterItsExpiresAt(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		older := memjournal.New(clock.System{})
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
		if n := r.provider.captured(); err != nil || again.Payment.ID != first.Payment.ID || again.Payment.Status != payment.Succeeded || n != 1 {
			t.Errorf("%s, %d charges, %v", again.Payment.Status, n, err)
		}
	})
}

// The clock is 80 hours behind when the copy is first used, and is set right later.
func TestAClockThatWasBehindAtTheStartChargesNobodyAgain(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		older := memjournal.New(clock.System{})
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
		restore := payments.Restore{At: clock.Now(), Since: r.copied}
		s := r.restored(t, older, func(o *payments.Options) {
			o.Clock, o.Restored = clock, func() payments.Restore { return restore }
		})
		<-time.After(3 * time.Minute)
		clock.set(0)
		again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if got := fmt.Sprint(r.charges()); got != "[0 1 0]" || err != nil || again.Payment.ID != first.Payment.ID {
			t.Errorf("charges %s: %s at %s, %v", got, again.Payment.ID, again.Payment.Provider, err)
		}
	})
}

// The copy does not have the payment. What its provider tells of the request is the amount.
func TestAnotherAmountUnderTheKeyIsRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		older := memjournal.New(clock.System{})
		r.copied = time.Now()
		first := mustPay(t, r.Service, "k")
		s := r.restored(t, older)
		<-time.After(2 * time.Minute)
		req := request()
		req.Amount = 9900
		if res, err := s.Create(t.Context(), tenant, req, key("k", "b")); fault.From(err).Code != idempotency.CodeMismatch {
			t.Errorf("another amount: %+v, %v", res.Payment, err)
		}
		if again, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil || again.Payment.ID != first.ID {
			t.Errorf("the first request again: %+v, %v", again.Payment, err)
		}
	})
}

// The key was used anew when its first use had expired: its last use is the answer, however
// long ago that was. Nobody knows any more when it has expired.
func TestTheLastUseOfAKeyIsAnsweredThoughTheCopyHasNone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		between, later time.Duration // of the uses, and the copy is put back
	}{
		"used anew as soon as it had expired":             {74 * time.Hour, time.Hour},
		"used anew a day after it had expired":            {100 * time.Hour, time.Hour},
		"used anew, shortly before it would expire again": {100 * time.Hour, 60 * time.Hour},
		"used anew, when it would have expired again":     {100 * time.Hour, 90 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.copied = time.Now()
				first := r.paid(t)
				<-time.After(tt.between)
				second := r.paid(t)
				if first.ID == second.ID {
					t.Fatal("the key has not expired")
				}
				<-time.After(tt.later)
				r.provider.forgets()
				s := r.restored(t, memjournal.New(clock.System{}))
				<-time.After(2 * time.Minute)
				again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				if err != nil || again.Payment.ID != second.ID || r.provider.captured() != 2 {
					t.Errorf("%s of %s and %s, %d charges, %v", again.Payment.ID, first.ID, second.ID, r.provider.captured(), err)
				}
			})
		})
	}
}

// The first use came to nothing after the copy; the second was paid.
func TestTheLastUseOfAKeyIsAnsweredThoughTheCopyHasTheFirstOpen(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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
		for _, when := range []string{"at first", "when the first has come to nothing in the copy as well"} {
			again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
			if n := r.provider.captured(); err != nil || again.Payment.ID != second.ID || n != 1 {
				t.Errorf("%s: %s, was %s, %d charges, %v", when, again.Payment.ID, second.ID, n, err)
			}
			<-time.After(5 * time.Hour)
		}
	})
}

// The first use, which the copy has, was refused and has expired; the second was paid. It is
// repeated before the copy's keys are given up.
func TestTheLastUseOfAKeyIsAnsweredBeforeTheCopyGivesUpTheFirst(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
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
		if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != second.ID {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, second.ID, err)
		}
	})
}
