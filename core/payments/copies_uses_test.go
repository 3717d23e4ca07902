package payments_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// Refused, and in the copy so. Repeated 71 hours later, when the key was still kept: paid, and
// the key is kept for 72 hours more. The copy is put back nine hours later, where the key counts
// from the refusal, and is given up before the providers are read.
func TestAKeyThatTheCopyGivesUpThoughItWasUsedLaterIsNotChargedAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, err := r.pay(t, "k")
		if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		<-time.After(70 * time.Hour)
		older := r.backup(t, first.Payment.ID)
		<-time.After(time.Hour)
		paid := mustPay(t, r.Service, "k")
		if paid.ID != first.Payment.ID {
			t.Fatal("another payment")
		}
		<-time.After(9 * time.Hour)
		if again := mustPay(t, r.Service, "k"); again.ID != paid.ID || r.provider.captured() != 1 {
			t.Fatal("without a restore it is another payment")
		}
		s := r.restored(t, older)
		<-time.After(3 * time.Minute)
		again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != paid.ID {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, paid.ID, err)
		}
	})
}

// A key that is used anew each time it has expired, as for a subscription. The copy has its
// first uses, and not the last, which had an expiresAt. It is repeated after that.
func TestTheLastUseOfAWornKeyIsAnsweredAfterItsExpiresAt(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		for range 3 {
			mustPay(t, r.Service, "k")
			<-time.After(73 * time.Hour)
		}
		older := cloned(t, r.journal)
		r.copied = time.Now()
		<-time.After(time.Minute)
		req := request()
		req.ExpiresAt = time.Now().Add(10 * time.Minute)
		last, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil || r.provider.captured() != 4 {
			t.Fatal(err, r.provider.captured())
		}
		<-time.After(20 * time.Minute)
		if again, err := r.Create(t.Context(), tenant, req, key("k", "a")); err != nil || again.Payment.ID != last.Payment.ID {
			t.Fatalf("without a restore: %v", err)
		}
		s := r.restored(t, older)
		<-time.After(3 * time.Minute)
		again, err := s.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil || again.Payment.ID != last.Payment.ID {
			t.Errorf("%s, was %s, %v", again.Payment.ID, last.Payment.ID, err)
		}
	})
}

// The key's first use, which the copy has, was refused and has expired; the second was paid. It is repeated
// after its expiresAt, before the copy's keys are given up.
func TestTheLastUseIsAnsweredAfterItsExpiresAtBeforeTheCopyGivesUpTheFirst(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		req := request()
		req.ExpiresAt = time.Now().Add(74 * time.Hour)
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, _ := r.Create(t.Context(), tenant, req, key("k", "a"))
		older := r.backup(t, first.Payment.ID)
		<-time.After(73 * time.Hour)
		second, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil || second.Payment.ID == first.Payment.ID {
			t.Fatal("the key has not expired")
		}
		<-time.After(2 * time.Hour)
		older.Fail = func(op string) error { // many others have expired as well
			if op == memjournal.Claim {
				<-time.After(20 * time.Second)
			}
			return nil
		}
		s := r.restored(t, older)
		<-time.After(5 * time.Second)
		again, err := s.Create(t.Context(), tenant, req, key("k", "a"))
		if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != second.Payment.ID {
			t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, second.Payment.ID, err)
		}
	})
}

// The first use of the key came to nothing, and has expired; the second was paid. The copy has neither.
// The clock is 80 hours behind when the copy is first used, and is set right later.
func TestTheLastUseAfterAHoleIsAnsweredThoughTheClockWasBehind(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ behind, blind time.Duration }{
		"the clock was behind":                    {80 * time.Hour, 0},
		"the provider does not tell for 74 hours": {0, 74 * time.Hour},
		"neither": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				<-time.After(time.Hour)
				r.copied = time.Now()
				older := memjournal.New(clock.System{})
				r.provider.failBefore(fails(fault.Unavailable, 1))
				_, _ = r.pay(t, "k")
				<-time.After(73 * time.Hour)
				second := mustPay(t, r.Service, "k")
				<-time.After(time.Hour)
				clock := &skewed{}
				clock.set(-tt.behind)
				if tt.blind > 0 {
					r.provider.cannotLook(fault.New(fault.Unauthorized, "scripted", ""))
				}
				restore := payments.Restore{At: clock.Now(), Since: r.copied}
				s := r.restored(t, older, func(o *payments.Options) {
					o.Clock, o.Restored = clock, func() payments.Restore { return restore }
				})
				until := time.Now().Add(tt.blind)
				for time.Now().Before(until) {
					if _, err := s.Create(t.Context(), tenant, request(), key("k", "a")); fault.From(err).Code != payments.CodeRestored {
						t.Fatal(err)
					}
					<-time.After(time.Hour)
				}
				r.provider.cannotLook(nil)
				<-time.After(3 * time.Minute)
				clock.set(0)
				again, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != second.ID {
					t.Errorf("%d charges; %s, was %s, %v", n, again.Payment.ID, second.ID, err)
				}
			})
		})
	}
}

// The key's first use came to nothing and has expired; the second was paid. The copy has neither. The key
// is repeated while the provider is being read, and the store is slow: the uses are looked for before the
// reading has come to its end, and whether it has is asked after that.
func TestARepeatWhileTheProviderIsReadChargesNobodyAgain(t *testing.T) {
	t.Parallel()
	for wait := time.Duration(0); wait < 8*time.Second; wait += 500 * time.Millisecond {
		t.Run("it is repeated "+wait.String()+" later", func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				<-time.After(time.Hour)
				r.copied = time.Now()
				older := memjournal.New(clock.System{})
				r.provider.failBefore(fails(fault.Unavailable, 1))
				_, _ = r.pay(t, "k")
				<-time.After(73 * time.Hour)
				second := mustPay(t, r.Service, "k")
				<-time.After(time.Hour)
				older.Fail = func(op string) error {
					if op == memjournal.Get {
						<-time.After(1900 * time.Millisecond)
					}
					return nil
				}
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				s := r.restored(t, older)
				<-time.After(70 * time.Second)
				r.provider.cannotLook(nil) // it is asked again within 5 seconds, and all is known then
				<-time.After(wait)
				_, _ = s.Create(t.Context(), tenant, request(), key("k", "a"))
				<-time.After(3 * time.Minute)
				if again := mustPay(t, s, "k"); again.ID != second.ID || r.provider.captured() != 1 {
					t.Errorf("got %s, %d charges, want %s, 1", again.ID, r.provider.captured(), second.ID)
				}
			})
		})
	}
}
