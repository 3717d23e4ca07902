package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/storecopy"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// What the providers hold is taken into the first copy before the second is made of it.
func TestACopyOfACopyThatWasPutBackChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		k := mustPay(t, r.Service, "k")
		<-time.After(25 * time.Hour)
		r.provider.forgets()
		s1 := r.begins(t, c0, true, "two")
		<-time.After(2 * time.Minute)
		mustPay(t, s1, "l")
		c1 := cloned(t, c0)
		<-time.After(time.Hour)
		s2 := r.begins(t, c1, true, "three")
		<-time.After(2 * time.Minute)
		again, err := s2.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 3 || err != nil || again.Payment.ID != k.ID || again.Payment.ProviderReference != k.ProviderReference {
			t.Errorf("%d charges for 3 payments; %+v, %v", n, again.Payment, err)
		}
	})
}

// The key is used between the two restores, so that it lives at the second.
func TestACopyThatIsPutBackTwiceChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		first := mustPay(t, r.Service, "k")
		<-time.After(26 * time.Hour)
		r.provider.forgets()
		s1 := r.begins(t, cloned(t, c0), true, "two")
		<-time.After(44 * time.Hour) // 70 hours after its first use
		if again := mustPay(t, s1, "k"); again.ID != first.ID {
			t.Fatalf("after the first restore it is %s, was %s", again.ID, first.ID)
		}
		<-time.After(10 * time.Hour)
		if again := mustPay(t, s1, "k"); again.ID != first.ID {
			t.Fatalf("its repeat has not kept the key: it is %s, was %s", again.ID, first.ID)
		}
		s2 := r.begins(t, cloned(t, c0), true, "three")
		<-time.After(2 * time.Minute)
		again, err := s2.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 2 || err != nil || again.Payment.ID != first.ID {
			t.Errorf("%d charges for 2 payments: %s, was %s, %v", n, again.Payment.ID, first.ID, err)
		}
	})
}

// A copy without an event does not tell how old it is. What the providers hold is not taken
// into it before the second is made of it.
func TestACopyOfACopyWithoutEventsChargesNobodyAgain(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		first := mustPay(t, r.Service, "k")
		<-time.After(30 * time.Hour)
		r.provider.forgets()
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		r.begins(t, c0, true, "two")
		<-time.After(2 * time.Minute)
		c1 := cloned(t, c0)
		<-time.After(time.Hour)
		s2 := r.begins(t, c1, true, "three")
		r.provider.cannotLook(nil)
		<-time.After(2 * time.Minute)
		again, err := s2.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 || err != nil || again.Payment.ID != first.ID {
			t.Errorf("%d charges for one payment: %s, was %s, %v", n, again.Payment.ID, first.ID, err)
		}
	})
}

// A copy is put back, and soon after one of that, on a machine whose clock is 15 minutes behind
// and is set right 20 seconds after the start: by the clocks the second restore was before the
// first. What the second copy has open is not called again: its caller was told that nothing
// was done, and has paid under another key.
func TestASecondRestoreByAClockThatIsBehindCallsNothingAgain(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]time.Duration{"15 minutes behind": 15 * time.Minute, "right": 0} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				used(t, r.journal)
				mustPay(t, r.Service, "early")
				c0 := cloned(t, r.journal)
				<-time.After(time.Minute)
				one := r.begins(t, c0, true, "one restored")
				<-time.After(3 * time.Minute)
				var c1 *memjournal.Journal
				r.provider.failBefore(func(_ context.Context, _ payment.Action, _ int) error {
					c1 = cloned(t, c0)
					return fault.New(fault.Unavailable, "scripted", "")
				})
				if _, err := one.Create(t.Context(), tenant, request(), key("k", "a")); !fault.Is(err, fault.Unavailable) {
					t.Fatal(err)
				}
				r.provider.failBefore(nil)
				mustPay(t, one, "k2")
				<-time.After(5 * time.Second)
				clock := &skewed{}
				clock.set(-behind)
				r.beginsBy(t, clock, c1)
				<-time.After(20 * time.Second)
				clock.set(0)
				<-time.After(20 * time.Minute)
				if n := r.provider.captured(); n != 2 {
					t.Errorf("nobody has asked for anything since the restore: %d charges for 2 payments", n)
				}
			})
		})
	}
}

// The same two restores. The copy has the payment reserved, and it was captured since.
func TestASecondRestoreByAClockThatIsBehindRefusesNothingByAnOldState(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]time.Duration{"15 minutes behind": 15 * time.Minute, "right": 0} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				used(t, r.journal)
				mustPay(t, r.Service, "early")
				c0 := cloned(t, r.journal)
				<-time.After(time.Minute)
				one := r.begins(t, c0, true, "one restored")
				<-time.After(3 * time.Minute)
				req := request()
				req.CaptureMethod = payment.CaptureManual
				first, err := one.Create(t.Context(), tenant, req, key("k", "a"))
				if err != nil {
					t.Fatal(err)
				}
				c1 := cloned(t, c0)
				<-time.After(time.Second)
				if _, err := one.Capture(t.Context(), tenant, first.Payment.ID, 0, opKey("capture", "c")); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				clock := &skewed{}
				clock.set(-behind)
				two := r.beginsBy(t, clock, c1)
				<-time.After(20 * time.Minute)
				_, err = two.Refund(t.Context(), tenant, first.Payment.ID, 100, opKey("refunds", "r"))
				<-time.After(time.Minute)
				p, missing := two.Get(t.Context(), tenant, first.Payment.ID)
				if err != nil || missing != nil || p.Status != payment.Succeeded {
					t.Errorf("got %s, %v, %v, want it captured, and refunded", p.Status, err, missing)
				}
			})
		})
	}
}

// beginsBy is a gateway that starts on an older copy by another clock.
func (r *rig) beginsBy(t *testing.T, clock ports.Clock, older *memjournal.Journal) *payments.Service {
	t.Helper()
	last, err := storecopy.Use(t.Context(), older, clock, true)
	if err != nil {
		t.Fatal(err)
	}
	return r.another(t, "by another clock", func(o *payments.Options) {
		o.Journal, o.Clock = older, clock
		o.Restored = func() payments.Restore {
			return payments.Restore{At: last.At, Since: last.Since, Recalled: !last.Unrecalled}
		}
	})
}
