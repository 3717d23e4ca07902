package resilience_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/defaultpolicy"
)

// single allows one try for each call, so that calls can be counted.
func single(p *resilience.Policy) { p.Attempts = 1 }

func TestWhatOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, single, func(t *testing.T, r *rig) {
				r.provider.becomes(always(kind))
				for range 30 {
					_ = r.pay(t.Context())
				}
				opened := slices.Contains(r.told(), resilience.Opened)
				if want := kind.Rule().Trips; opened != want || (r.gateway.Available() != nil) != want {
					t.Fatalf("opened %t, want %t", opened, want)
				}
				if opened && r.provider.calls() != 10 {
					t.Errorf("the breaker opened after %d calls, want 10", r.provider.calls())
				}
			})
		})
	}
}

func TestBlamelessFailuresAreNotCounted(t *testing.T) {
	within(t, single, func(t *testing.T, r *rig) {
		r.provider.becomes(func(context.Context, int) error {
			return &fault.Error{Kind: fault.UnknownOutcome, Blameless: true}
		})
		for range 30 {
			_ = r.pay(t.Context())
		}
		if err := r.gateway.Available(); err != nil || r.provider.calls() != 30 {
			t.Errorf("%v after %d calls, want calls 30", err, r.provider.calls())
		}
	})
}

// If the requests of one caller are refused, the provider stays available to all others. An
// operator is notified if nothing else is done there meanwhile.
func TestRefusalsInARowAreLogged(t *testing.T) {
	within(t, single, func(t *testing.T, r *rig) {
		told := func() (n int) {
			for _, d := range r.told() {
				if d == resilience.Refusing {
					n++
				}
			}
			return n
		}
		refuse := func(calls int) {
			r.provider.becomes(always(fault.Refused))
			for range calls {
				if err := r.pay(t.Context()); !fault.Is(err, fault.Refused) {
					t.Fatal(err)
				}
			}
			r.provider.becomes(good)
		}
		for range 3 {
			refuse(19)
			if err := r.pay(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := told(); n != 0 {
			t.Errorf("told %d times, though others went well between, want 0", n)
		}
		refuse(40)
		if n := told(); n != 2 {
			t.Errorf("told %d times of 40 in a row, want 2", n)
		}
	})
}

func TestACallerWhoLeavesIsNoFailureOfTheProvider(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		t.Run(map[bool]string{true: "leaves", false: "has no time left"}[leaves], func(t *testing.T) {
			within(t, single, func(t *testing.T, r *rig) {
				r.provider.becomes(func(ctx context.Context, _ int) error {
					<-ctx.Done()
					return fault.New(fault.UnknownOutcome, "scripted", "") // it was on its way
				})
				for range 30 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if leaves {
						time.AfterFunc(100*time.Millisecond, cancel)
					}
					if err := r.pay(ctx); !fault.Is(err, fault.UnknownOutcome) && leaves {
						t.Fatalf("got %v, want kind %s", err, fault.UnknownOutcome)
					}
					cancel()
				}
				if opened := r.gateway.Available() != nil; opened == leaves {
					t.Errorf("opened %t, want the opposite of %v", opened, leaves)
				}
			})
		})
	}
}

func TestTheBreakerNeedsHalfOfTenCalls(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each  int // every nth call fails
		calls int
		open  bool
	}{
		"nine failures are too few":    {1, 9, false},
		"ten failures open it":         {1, 10, true},
		"every second opens it":        {2, 20, true},
		"every third does not open it": {3, 60, false},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, single, func(t *testing.T, r *rig) {
				r.provider.becomes(func(_ context.Context, n int) error {
					if n%c.each == 0 {
						return fault.New(fault.Unavailable, "scripted", "")
					}
					return nil
				})
				for range c.calls {
					_ = r.pay(t.Context())
				}
				if open := r.gateway.Available() != nil; open != c.open {
					t.Errorf("open: got %t, want %v", open, c.open)
				}
			})
		})
	}
	t.Run("failures that are long ago do not count", func(t *testing.T) {
		within(t, single, func(t *testing.T, r *rig) {
			r.provider.becomes(always(fault.Unavailable))
			for range 9 {
				_ = r.pay(t.Context())
			}
			<-time.After(time.Minute)
			_ = r.pay(t.Context())
			if r.gateway.Available() != nil {
				t.Error("the breaker is open, want it closed")
			}
		})
	})
}

func TestAnOpenBreakerIsSkippedAndHeals(t *testing.T) {
	within(t, single, func(t *testing.T, r *rig) {
		r.provider.becomes(always(fault.Unavailable))
		for range 10 {
			_ = r.pay(t.Context())
		}
		start := time.Now()
		err := r.pay(t.Context())
		f := fault.From(err)
		if f.Kind != fault.Unavailable || f.Code != "breaker_open" || f.RetryAfter != 30*time.Second || r.provider.calls() != 10 || time.Since(start) != 0 {
			t.Fatalf("%v with %s, %d calls, want kind %v, code breaker_open, retry after %v, calls 10, after 0", err, f.RetryAfter, r.provider.calls(), fault.Unavailable, 30*time.Second)
		}
		if r.told()[len(r.told())-1] != resilience.Skipped {
			t.Errorf("got %v, want %v", r.told(), resilience.Skipped)
		}

		<-time.After(30 * time.Second)
		if err := r.gateway.Available(); err != nil {
			t.Errorf("after its time: %v", err)
		}
		for range 10 {
			_ = r.pay(t.Context())
		}
		if probes := r.provider.calls() - 10; probes < 2 || probes > 3 {
			t.Errorf("%d probes while it still fails, want probes at least 2, probes at most 3", probes)
		}

		r.provider.becomes(good)
		<-time.After(30 * time.Second)
		for range 10 {
			if err := r.pay(t.Context()); err != nil {
				t.Errorf("healed: %v", err)
			}
		}
		if !slices.Contains(r.told(), resilience.Probing) || !slices.Contains(r.told(), resilience.Closed) {
			t.Errorf("got %v, want %q in it, %q in it", r.told(), resilience.Probing, resilience.Closed)
		}
	})
}

func TestAnAccountAtFaultIsLeftAloneForLong(t *testing.T) {
	within(t, single, func(t *testing.T, r *rig) {
		r.provider.becomes(always(fault.Unauthorized))
		for range 10 {
			_ = r.pay(t.Context())
		}
		<-time.After(299 * time.Second)
		if err := r.gateway.Available(); fault.From(err).RetryAfter != time.Second {
			t.Errorf("after 299 s: got %v, want %v", err, time.Second)
		}
		<-time.After(time.Second)
		if err := r.gateway.Available(); err != nil {
			t.Errorf("after 300 s: %v", err)
		}
	})
}

// Our own limit is no failure of the provider.
func TestOverloadDoesNotOpenTheBreaker(t *testing.T) {
	within(t, func(p *resilience.Policy) { p.Bulkhead, p.Attempts = 1, 1 }, func(t *testing.T, r *rig) {
		entered, release := make(chan struct{}), make(chan struct{})
		r.provider.becomes(func(context.Context, int) error { close(entered); <-release; return nil })
		go func() { _ = r.pay(t.Context()) }()
		<-entered
		for range 30 {
			if err := r.pay(t.Context()); !fault.Is(err, fault.Overloaded) {
				t.Fatal(err)
			}
		}
		close(release)
		if err := r.gateway.Available(); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkPolicies measures what the policies cost for a call that does nothing.
func BenchmarkPolicies(b *testing.B) {
	g := resilience.NewGateway(&instant{}, resilience.Options{Policy: defaultpolicy.Provider()})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Create(b.Context(), payment.CreateRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

type instant struct{ provider }

func (*instant) Create(context.Context, payment.CreateRequest) (payment.Intent, error) {
	return payment.Intent{}, nil
}
