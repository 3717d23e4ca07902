package payments_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestPaymentsAreHeldUntilItIsKnownWhatTheProvidersHold(t *testing.T) {
	t.Parallel()
	for name, names := range map[string][]string{"several providers": three, "one provider": {"acme"}} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, names, func(t *testing.T, r *rig) {
				if r.Held() {
					t.Error("nothing was put back")
				}
				r.all[0].cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				s := r.restored(t, memjournal.New(clock.System{}))
				<-time.After(10 * time.Minute)
				if !s.Held() {
					t.Error("a provider has not told, and nothing is held")
				}
				r.all[0].cannotLook(nil)
				<-time.After(10 * time.Second)
				if s.Held() {
					t.Error("all have told, and payments are held")
				}
			})
		})
	}
}

func TestNothingIsCreatedAfterARestoreUntilAllProvidersAreRead(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
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
		if _, err := s.Create(t.Context(), tenant, everywhere(), key("known", "b")); fault.From(err).Code != idempotency.CodeMismatch {
			t.Errorf("another body under its key: %v", err)
		}
		r.all[0].cannotLook(nil)
		r.all[1].cannotLook(nil)
		<-time.After(time.Minute)
		if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != payments.CodeRestored || fault.From(err).RetryAfter == 0 {
			t.Errorf("while the third has not told: %v", err)
		}
		r.all[2].cannotLook(nil)
		<-time.After(70 * time.Second)
		if res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil || res.Payment.Status != payment.Succeeded {
			t.Errorf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
		}
	})
}

// However the clock is set meanwhile.
func TestPaymentsAreMadeAMinuteAfterTheStart(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{
		"the clock is not set":           0,
		"the clock is set ahead":         3 * time.Hour,
		"the clock is set back":          -3 * time.Hour,
		"the clock is set back for days": -100 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				behind := &skewed{}
				s := r.restored(t, memjournal.New(clock.System{}), func(o *payments.Options) { o.Clock = behind })
				<-time.After(time.Second)
				behind.set(by)
				if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); fault.From(err).Code != payments.CodeRestored {
					t.Errorf("at once: %v", err)
				}
				<-time.After(61 * time.Second)
				if res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil || res.Payment.Status != payment.Succeeded {
					t.Errorf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Succeeded)
				}
			})
		})
	}
}

// A provider that was configured when the copy was first used, and is taken out before it was
// read, holds payments up: what was paid there would be charged again at another.
func TestAProviderThatIsTakenOutBeforeItWasReadHoldsPaymentsUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		skip    []string
		charges string
		held    bool
	}{
		{"it is not there any more", nil, "[0 1 0]", true},
		{"another is to be skipped", []string{"third"}, "[0 1 0]", true},
		{"it is to be skipped", []string{"second"}, "[1 1 0]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.provider.failBefore(always(fault.Unavailable))
				r.copied = time.Now()
				if _, err := r.Create(t.Context(), tenant, everywhere(), key("k", "a")); err != nil || fmt.Sprint(r.charges()) != "[0 1 0]" {
					t.Fatalf("%v, charges %v", err, r.charges())
				}
				r.provider.failBefore(nil)
				<-time.After(time.Hour)
				restore := payments.Restore{At: time.Now(), Since: r.copied, Providers: three}
				s := r.another(t, "two", func(o *payments.Options) {
					o.Journal, o.Restored = memjournal.New(clock.System{}), func() payments.Restore { return restore }
					o.Gateways, o.SkipAfterRestore = []ports.PaymentGateway{r.all[0], r.all[2]}, tt.skip
				})
				<-time.After(100 * time.Hour)
				res, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
				if s.Held() != tt.held || (fault.From(err).Code == payments.CodeRestored) != tt.held || !tt.held && res.Payment.Status != payment.Succeeded {
					t.Errorf("held: %t; %+v, %v", s.Held(), res.Payment, err)
				}
				if got := fmt.Sprint(r.charges()); got != tt.charges {
					t.Errorf("charges %s, want %s", got, tt.charges)
				}
			})
		})
	}
}

// unlisted is a provider that cannot list what it holds.
type unlisted struct{ *provider }

func (unlisted) List(context.Context, payment.ListRequest) (payment.IntentPage, error) {
	return payment.IntentPage{}, fault.New(fault.Unsupported, "unsupported", "")
}

// There is no other way to learn what it holds, so that waiting for it would never end.
func TestProviderWithoutListingDelaysNoPayment(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		s := r.restored(t, memjournal.New(clock.System{}), func(o *payments.Options) { o.Gateways = []ports.PaymentGateway{unlisted{r.provider}} })
		<-time.After(2 * time.Minute)
		if _, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// What was accepted after the copy was made, before the provider has told of it.
func TestWhatIsAskedOfAPaymentThatIsNotReadYetIsNotRefusedForGood(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		used(t, r.journal)
		c0 := cloned(t, r.journal)
		req := request()
		req.CaptureMethod = payment.CaptureManual
		res, err := r.Create(t.Context(), tenant, req, key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		id := res.Payment.ID
		<-time.After(time.Hour)
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		s := r.begins(t, c0, true, "a")
		<-time.After(time.Second)
		if _, err := s.Create(t.Context(), tenant, req, key("k", "a")); fault.From(err).Code != payments.CodeRestored {
			t.Errorf("create: %v", err)
		}
		if _, err := s.Capture(t.Context(), tenant, id, 0, opKey("capture", "c")); fault.From(err).Code != payments.CodeRestored {
			t.Errorf("capture: %v", err)
		}
		if _, err := s.Refund(t.Context(), tenant, id, 100, opKey("refunds", "c")); fault.From(err).Code != payments.CodeRestored {
			t.Errorf("refund: %v", err)
		}
		if _, err := s.Cancel(t.Context(), tenant, id, opKey("cancel", "c")); fault.From(err).Code != payments.CodeRestored {
			t.Errorf("cancel: %v", err)
		}
		if _, err := s.Get(t.Context(), tenant, id); fault.Is(err, fault.NotFound) {
			t.Errorf("get: %v", err)
		}
	})
}

// A store that is put back once more while the providers are read is read for as of then.
func TestAnotherRestoreHoldsPaymentsUpAnew(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		var restore atomic.Pointer[payments.Restore]
		restore.Store(&payments.Restore{At: time.Now(), Since: time.Now()})
		s := r.another(t, "two", func(o *payments.Options) {
			o.Journal, o.Restored = memjournal.New(clock.System{}), func() payments.Restore { return *restore.Load() }
		})
		<-time.After(50 * time.Second)
		restore.Store(&payments.Restore{At: time.Now(), Since: time.Now()})
		if !s.Held() {
			t.Error("at the second restore nothing is held")
		}
		<-time.After(50 * time.Second)
		if !s.Held() {
			t.Error("what was read after the first restore counts after the second")
		}
		s.RestoreNoticed()
		<-time.After(70 * time.Second)
		if s.Held() {
			t.Error("70 seconds after the second restore was noticed payments are held")
		}
	})
}
