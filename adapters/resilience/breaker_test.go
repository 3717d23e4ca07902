package resilience_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/tests/defaultpolicy"
)

// single allows one attempt of each call, so that calls can be counted.
func single(p *resilience.Policy) { p.Attempts = 1 }

func TestTheBreakerOpensAfterKindsThatTripIt(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			withPolicy(t, single, func(t *testing.T, r *rig) {
				r.provider.answer(always(kind))
				for range 30 {
					_ = r.pay(t.Context())
				}
				opens, calls := kind.Rule().Trips, 30
				if opens {
					calls = 10
				}
				if got := slices.Contains(r.decisions(), resilience.Opened); got != opens {
					t.Errorf("the opening is reported = %t, want %t", got, opens)
				}
				if got := r.gateway.Available() != nil; got != opens {
					t.Errorf("the breaker is open = %t, want %t", got, opens)
				}
				if got := r.provider.calls(); got != calls {
					t.Errorf("calls of the provider = %d, want %d", got, calls)
				}
			})
		})
	}
}

func TestBlamelessFailuresDoNotOpenTheBreaker(t *testing.T) {
	withPolicy(t, single, func(t *testing.T, r *rig) {
		r.provider.answer(func(context.Context, int) error {
			return &fault.Error{Kind: fault.UnknownOutcome, Blameless: true}
		})
		for range 30 {
			_ = r.pay(t.Context())
		}
		if err := r.gateway.Available(); err != nil {
			t.Errorf("the breaker is open: %v", err)
		}
		r.checkCalls(t, 30)
	})
}

// If the requests of one caller are refused, the provider stays available to all others. An
// operator is notified if nothing else is done there meanwhile.
func TestEveryTwentiethRefusalInARowIsReported(t *testing.T) {
	withPolicy(t, single, func(t *testing.T, r *rig) {
		reports := func() (n int) {
			for _, d := range r.decisions() {
				if d == resilience.Refusing {
					n++
				}
			}
			return n
		}
		refuse := func(calls int) {
			r.provider.answer(always(fault.Refused))
			for range calls {
				if err := r.pay(t.Context()); !fault.Is(err, fault.Refused) {
					t.Fatal(err)
				}
			}
			r.provider.answer(good)
		}
		for range 3 {
			refuse(19)
			if err := r.pay(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := reports(); n != 0 {
			t.Errorf("reports after 19 refusals and a success, three times = %d, want 0", n)
		}
		refuse(40)
		if n := reports(); n != 2 {
			t.Errorf("reports after 40 refusals in a row = %d, want 2", n)
		}
	})
}

func TestACallThatItsCallerGivesUpDoesNotCountAgainstTheProvider(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		t.Run(map[bool]string{true: "given up", false: "a call whose deadline has passed counts"}[leaves], func(t *testing.T) {
			withPolicy(t, single, func(t *testing.T, r *rig) {
				r.provider.answer(func(ctx context.Context, _ int) error {
					<-ctx.Done()
					return fault.New(fault.UnknownOutcome, "scripted", "") // it was sent
				})
				for range 30 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					if leaves {
						time.AfterFunc(100*time.Millisecond, cancel)
					}
					if err := r.pay(ctx); !fault.Is(err, fault.UnknownOutcome) && leaves {
						t.Fatalf("error = %v, want kind %s", err, fault.UnknownOutcome)
					}
					cancel()
				}
				if opened := r.gateway.Available() != nil; opened == leaves {
					t.Errorf("the breaker is open = %t, want %t", opened, !leaves)
				}
			})
		})
	}
}

func TestTheBreakerOpensAtHalfOfTenCalls(t *testing.T) {
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
			withPolicy(t, single, func(t *testing.T, r *rig) {
				r.provider.answer(func(_ context.Context, n int) error {
					if n%c.each == 0 {
						return fault.New(fault.Unavailable, "scripted", "")
					}
					return nil
				})
				for range c.calls {
					_ = r.pay(t.Context())
				}
				if open := r.gateway.Available() != nil; open != c.open {
					t.Errorf("the breaker is open = %t, want %t", open, c.open)
				}
			})
		})
	}
	t.Run("failures of more than 30 s ago do not count", func(t *testing.T) {
		withPolicy(t, single, func(t *testing.T, r *rig) {
			r.provider.answer(always(fault.Unavailable))
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

// The breaker opens by the first try, so that there is no second one. What the provider said is the reason.
func TestACallThatIsNotTriedAgainEndsWithWhatTheProviderSaid(t *testing.T) {
	withPolicy(t, func(p *resilience.Policy) { p.Breaker.MinimumCalls = 1 }, func(t *testing.T, r *rig) {
		said := &fault.Error{Kind: fault.Unavailable, Code: "maintenance", Answer: &fault.Answer{Status: 503, Words: "Back at noon"}}
		r.provider.answer(func(context.Context, int) error { return said })
		_, mailed := r.mailer.Send(t.Context(), email.Message{})
		for what, err := range map[string]error{"a payment": r.pay(t.Context()), "an email": mailed} {
			if f := fault.From(err); f.Code != said.Code || f.Answer == nil || f.Answer.Words != said.Answer.Words || f.Skipped {
				t.Errorf("%s ends with %v, want %v", what, err, said)
			}
		}
		if _, err := r.mailer.Send(t.Context(), email.Message{}); !fault.From(err).Skipped {
			t.Errorf("the next email ends with %v, want that it was skipped", err)
		}
	})
}

func TestAProviderIsSkippedWhileItsBreakerIsOpenAndThenProbed(t *testing.T) {
	withPolicy(t, single, func(t *testing.T, r *rig) {
		r.provider.answer(always(fault.Unavailable))
		for range 10 {
			_ = r.pay(t.Context())
		}
		start := time.Now()
		err := r.pay(t.Context())
		checkTook(t, start, 0, 0)
		if f := fault.From(err); f.Kind != fault.Unavailable || f.Code != "breaker_open" || !f.Skipped {
			t.Errorf("error while the breaker is open = %v, want kind %s, code breaker_open, and that it was skipped", err, fault.Unavailable)
		}
		if got, want := fault.From(err).RetryAfter, 30*time.Second; got != want {
			t.Errorf("retry after = %s, want %s", got, want)
		}
		r.checkCalls(t, 10)
		if got, want := r.decisions()[len(r.decisions())-1], resilience.Skipped; got != want {
			t.Errorf("last decision = %q, want %q", got, want)
		}

		<-time.After(30 * time.Second)
		if err := r.gateway.Available(); err != nil {
			t.Errorf("the breaker is still open after 30 s: %v", err)
		}
		for range 10 {
			_ = r.pay(t.Context())
		}
		if probes := r.provider.calls() - 10; probes < 2 || probes > 3 {
			t.Errorf("probes while the provider still fails = %d, want 2 or 3", probes)
		}

		r.provider.answer(good)
		<-time.After(30 * time.Second)
		for range 10 {
			if err := r.pay(t.Context()); err != nil {
				t.Errorf("call once the provider works again: %v", err)
			}
		}
		for _, want := range []resilience.Decision{resilience.Probing, resilience.Closed} {
			if !slices.Contains(r.decisions(), want) {
				t.Errorf("decisions = %v, want %q in it", r.decisions(), want)
			}
		}
	})
}

func TestTheBreakerStaysOpenTenTimesAsLongIfTheAccountIsAtFault(t *testing.T) {
	withPolicy(t, single, func(t *testing.T, r *rig) {
		r.provider.answer(always(fault.Unauthorized))
		for range 10 {
			_ = r.pay(t.Context())
		}
		<-time.After(299 * time.Second)
		if got, want := fault.From(r.gateway.Available()).RetryAfter, time.Second; got != want {
			t.Errorf("retry after, 299 s later = %s, want %s", got, want)
		}
		<-time.After(time.Second)
		if err := r.gateway.Available(); err != nil {
			t.Errorf("the breaker is still open after 300 s: %v", err)
		}
	})
}

// Our own limit is no failure of the provider.
func TestOverloadDoesNotOpenTheBreaker(t *testing.T) {
	withPolicy(t, func(p *resilience.Policy) { p.Bulkhead, p.Attempts = 1, 1 }, func(t *testing.T, r *rig) {
		entered, release := make(chan struct{}), make(chan struct{})
		r.provider.answer(func(context.Context, int) error { close(entered); <-release; return nil })
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
