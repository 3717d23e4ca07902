package checkout_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/sys"
	"patchbay/core/checkout"
	"patchbay/core/depot"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/memjournal"
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

// unlisted cannot list.
type unlisted struct{ *provider }

func (unlisted) List(context.Context, payment.ListRequest) (payment.IntentPage, error) {
	return payment.IntentPage{}, fault.New(fault.Unsupported, "unsupported", "")
}

// A provider that does not declare that it can list.
func TestAProviderThatCannotTellWhatItHolds(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		s := r.restored(t, memjournal.New(sys.Clock{}), func(o *checkout.Options) { o.Gateways = []ports.PaymentGateway{unlisted{r.provider}} })
		<-time.After(2 * time.Minute)
		if _, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// Recalled fails for days, the process starts anew after 80 hours.
func TestTheStoreDoesNotKeepThatItIsKnown(t *testing.T) {
	among(t, three, func(t *testing.T, r *rig) {
		older, first := r.refusedThenPaid(t, r.Service)
		back := r.onCopy(older)
		unkept := func(o *checkout.Options) {
			o.Recalled = func(context.Context, time.Time) error { return fault.New(fault.Unavailable, "scripted", "") }
		}
		_, stop := r.killable(t, "two", back, unkept)
		<-time.After(30 * time.Second) // in the midst of the walk
		stop()
		<-time.After(80 * time.Hour)
		s := r.another(t, "three", back, unkept)
		<-time.After(time.Second)
		_, _ = s.Confirm(t.Context(), tenant, first.ID, checkout.ConfirmRequest{}, opKey("confirm", "c"))
		<-time.After(3 * time.Minute)
		p, err := s.Get(t.Context(), tenant, first.ID)
		if err != nil || p.Status != payment.Succeeded || fmt.Sprint(r.charges()) != "[0 1 0]" {
			t.Errorf("%s, charges %v, %v", p.Status, r.charges(), err)
		}
	})
}
