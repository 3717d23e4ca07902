package checkout_test

import (
	"testing"
	"time"

	"patchbay/core/fault"
)

// What the providers hold is taken into the first copy before the second is made of it.
func TestACopyOfACopyThatWasPutBackChargesNobodyAgain(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
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
	within(t, func(t *testing.T, r *rig) {
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
	within(t, func(t *testing.T, r *rig) {
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
