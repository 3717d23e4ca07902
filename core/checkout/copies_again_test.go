package checkout_test

import (
	"testing"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/depot"
	"patchbay/core/fault"
)

// A copy is put back and recalled; a copy of that is put back.
func TestACopyOfACopyThatWasPutBackBefore(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, _ = depot.Use(t.Context(), r.journal, sys.Clock{}, false)
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
		if n := r.provider.captured(); n != 3 {
			t.Errorf("%d charges for 3 payments; k is %s, was %s, %v", n, again.Payment.ProviderReference, k.ProviderReference, err)
		}
	})
}

// The same copy is put back twice; the key was used between, so that it lives.
func TestTheSameCopyIsPutBackTwice(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, _ = depot.Use(t.Context(), r.journal, sys.Clock{}, false)
		mustPay(t, r.Service, "early")
		c0 := cloned(t, r.journal)
		first := mustPay(t, r.Service, "k")
		<-time.After(26 * time.Hour)
		r.provider.forgets()
		s1 := r.begins(t, cloned(t, c0), true, "two")
		<-time.After(44 * time.Hour) // 70 hours after
		if again := mustPay(t, s1, "k"); again.ID != first.ID {
			t.Fatal("after the first restore")
		}
		<-time.After(10 * time.Hour)
		if again := mustPay(t, s1, "k"); again.ID != first.ID {
			t.Fatal("the key does not live")
		}
		s2 := r.begins(t, cloned(t, c0), true, "three")
		<-time.After(2 * time.Minute)
		again, err := s2.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 2 {
			t.Errorf("%d charges for 2 payments: %s, was %s, %v", n, again.Payment.ID, first.ID, err)
		}
	})
}

// The copy has no event; it is put back, not recalled; a copy of that is put back.
func TestACopyWithoutEventsIsPutBackTwice(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		_, _ = depot.Use(t.Context(), r.journal, sys.Clock{}, false)
		c0 := cloned(t, r.journal)
		<-time.After(time.Hour)
		mustPay(t, r.Service, "k")
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
		_, err := s2.Create(t.Context(), tenant, request(), key("k", "a"))
		if n := r.provider.captured(); n != 1 {
			t.Errorf("%d charges for one payment, %v", n, err)
		}
	})
}
