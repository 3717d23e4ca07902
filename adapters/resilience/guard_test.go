package resilience_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/ports"
	"patchbay/tests/defaultpolicy"
)

func TestRetriesDependOnTheKindOfTheFailure(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			payments := map[bool]int{true: 3, false: 1}[kind.Rule().Retry]
			mail := payments
			if kind == fault.UnknownOutcome {
				mail = 1 // it may have been sent, and mail providers have no keys
			}
			withPolicy(t, nil, func(t *testing.T, r *rig) {
				r.provider.answer(always(kind))
				checkKind(t, r.pay(t.Context()), kind)
				r.checkCalls(t, payments)
				_, err := r.mailer.Send(t.Context(), email.Message{})
				checkKind(t, err, kind)
				r.checkCalls(t, payments+mail)
			})
		})
	}
}

// forgetful remembers keys for a time of its own, or not at all.
type forgetful struct {
	*provider
	kept time.Duration
}

func (f forgetful) Capabilities() payment.Capabilities {
	return payment.Capabilities{Keys: payment.Keys{Kept: f.kept}}
}

func TestAtAProviderWithoutKeysAnUnknownOutcomeIsNotRetried(t *testing.T) {
	t.Parallel()
	for kind, want := range map[fault.Kind]int{fault.UnknownOutcome: 1, fault.Unavailable: defaultpolicy.Provider().Attempts} {
		t.Run(kind.String(), func(t *testing.T) {
			withPolicy(t, nil, func(t *testing.T, r *rig) {
				r.gateway = resilience.NewGateway(forgetful{provider: r.provider}, resilience.Options{Policy: defaultpolicy.Provider()})
				r.provider.answer(func(context.Context, int) error { return fault.New(kind, "scripted", "") })
				checkKind(t, r.pay(t.Context()), kind)
				r.checkCalls(t, want)
			})
		})
	}
}

func TestAnUnknownOutcomeIsNotRetriedOnceTheKeyMayBeForgotten(t *testing.T) {
	t.Parallel()
	unknown, unavailable := fault.UnknownOutcome, fault.Unavailable
	for name, tt := range map[string]struct {
		kept  time.Duration
		kinds []fault.Kind  // of the attempts, the last one again and again
		want  time.Duration // the last attempt is made before, of those after 0, 10, 20 and 30 seconds
	}{
		"a key that is kept for 4 seconds is not repeated":            {4 * time.Second, []fault.Kind{unknown}, time.Second},
		"a key is not repeated within the margin":                     {payment.KeyMargin, []fault.Kind{unknown}, time.Second},
		"a key is repeated until the margin":                          {payment.KeyMargin + 15*time.Second, []fault.Kind{unknown}, 15 * time.Second},
		"a later attempt that did nothing is not repeated after it":   {payment.KeyMargin + 15*time.Second, []fault.Kind{unknown, unavailable}, 15 * time.Second},
		"attempts that all did nothing are repeated":                  {4 * time.Second, []fault.Kind{unavailable}, 35 * time.Second},
		"a key that is kept for a day is repeated until the deadline": {24 * time.Hour, []fault.Kind{unknown}, 35 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withPolicy(t, nil, func(t *testing.T, r *rig) {
				policy := defaultpolicy.Provider()
				policy.Attempts, policy.Deadline, policy.Timeout = 10, 35*time.Second, time.Second
				r.gateway = resilience.NewGateway(forgetful{r.provider, tt.kept}, resilience.Options{Policy: policy})
				r.provider.answer(func(_ context.Context, n int) error {
					return &fault.Error{Kind: tt.kinds[min(n, len(tt.kinds))-1], RetryAfter: 10 * time.Second}
				})
				began := time.Now()
				checkKind(t, r.pay(t.Context()), tt.kinds[0])
				last := r.provider.at[len(r.provider.at)-1].Sub(began)
				if last >= tt.want || last < tt.want-15*time.Second {
					t.Errorf("the last attempt was made after %s, want within 15s before %s", last, tt.want)
				}
			})
		})
	}
}

func TestAnErrorWithNoRetryIsNotRetried(t *testing.T) {
	withPolicy(t, nil, func(t *testing.T, r *rig) {
		r.provider.answer(func(context.Context, int) error {
			return &fault.Error{Kind: fault.UnknownOutcome, NoRetry: true}
		})
		checkKind(t, r.pay(t.Context()), fault.UnknownOutcome)
		r.checkCalls(t, 1)
	})
}

// Once the outcome of an attempt is unknown, a later failure that does not show it leaves it
// unknown.
func TestAnUnknownOutcomeStaysUnknown(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run("after "+kind.String(), func(t *testing.T) {
			withPolicy(t, nil, func(t *testing.T, r *rig) {
				r.provider.answer(fails(fault.UnknownOutcome, kind, kind))
				checkKind(t, r.pay(t.Context()), fault.UnknownOutcome)
			})
		})
	}
	t.Run("unless a decline has the provider's own object", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(func(_ context.Context, n int) error {
				if n == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return &fault.Error{Kind: fault.Declined, Proven: true}
			})
			checkKind(t, r.pay(t.Context()), fault.Declined)
			r.checkCalls(t, 2)
		})
	})
	t.Run("after another failure with the provider's own object", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(func(_ context.Context, n int) error {
				if n == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return &fault.Error{Kind: fault.Conflict, Proven: true, RetryAfter: 7 * time.Second}
			})
			err := r.pay(t.Context())
			checkKind(t, err, fault.UnknownOutcome)
			if got, want := fault.From(err).RetryAfter, 7*time.Second; got != want {
				t.Errorf("retry after = %s, want %s", got, want)
			}
			if want := "conflict"; !strings.Contains(err.Error(), want) {
				t.Errorf("error = %q, want %q in it", err, want)
			}
		})
	})
	t.Run("unless the call is a read: its last answer counts", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(fails(fault.UnknownOutcome, fault.NotFound))
			_, err := r.gateway.Retrieve(t.Context(), "pi_1")
			checkKind(t, err, fault.NotFound)
		})
	})
	t.Run("and an email with it is not sent again", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(fails(fault.RateLimited, fault.UnknownOutcome, fault.RateLimited))
			_, err := r.mailer.Send(t.Context(), email.Message{})
			checkKind(t, err, fault.UnknownOutcome)
			r.checkCalls(t, 2)
		})
	})
	t.Run("unless a later attempt succeeds", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(fails(fault.UnknownOutcome, fault.Unavailable))
			if err := r.pay(t.Context()); err != nil {
				t.Error(err)
			}
			r.checkCalls(t, 3)
		})
	})
	t.Run("after the breaker has opened", func(t *testing.T) {
		withPolicy(t, func(p *resilience.Policy) { p.Breaker.MinimumCalls = 1 }, func(t *testing.T, r *rig) {
			r.provider.answer(always(fault.UnknownOutcome))
			checkKind(t, r.pay(t.Context()), fault.UnknownOutcome)
			r.checkCalls(t, 1)
		})
	})
}

func TestTheWaitBetweenAttempts(t *testing.T) {
	t.Parallel()
	asks := func(after time.Duration) script {
		return func(context.Context, int) error { return &fault.Error{Kind: fault.RateLimited, RetryAfter: after} }
	}
	for name, c := range map[string]struct {
		script      script
		calls       int
		least, most time.Duration // until the end
	}{
		"is random up to 0.5 s and 1 s":            {always(fault.Unavailable), 3, 0, 1500 * time.Millisecond},
		"is what the provider asks for":            {asks(7 * time.Second), 3, 14 * time.Second, 14 * time.Second},
		"is not begun if the deadline comes first": {asks(40 * time.Second), 1, 0, 0},
		"ends with the deadline":                   {asks(16 * time.Second), 2, 16 * time.Second, 16 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withPolicy(t, nil, func(t *testing.T, r *rig) {
				r.provider.answer(c.script)
				start := time.Now()
				err := r.pay(t.Context())
				checkTook(t, start, c.least, c.most)
				r.checkCalls(t, c.calls)
				if err == nil {
					t.Error("error = nil, want one")
				}
			})
		})
	}
}

func TestTheTimeOfACallIsBounded(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return fault.Wrap(fault.UnknownOutcome, "acme.create", ctx.Err())
	}
	t.Run("by the timeout of an attempt and the deadline of all", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			r.provider.answer(hang)
			start := time.Now()
			err := r.pay(t.Context())
			checkTook(t, start, 0, 30*time.Second)
			checkKind(t, err, fault.UnknownOutcome)
			if n := r.provider.calls(); n < 2 {
				t.Fatalf("calls of the provider = %d, want at least 2", n)
			}
			if second := r.provider.at[1].Sub(r.provider.at[0]); second < 10*time.Second || second > 11*time.Second {
				t.Errorf("the second attempt came after %s, want at least %s and at most %s", second, 10*time.Second, 11*time.Second)
			}
		})
	})
	t.Run("by the deadline of the caller", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			r.provider.answer(hang)
			start := time.Now()
			checkKind(t, r.pay(ctx), fault.UnknownOutcome)
			checkTook(t, start, 3*time.Second, 3*time.Second)
			r.checkCalls(t, 1)
		})
	})
	t.Run("by no call at all once the caller has given up", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			checkKind(t, r.pay(ctx), fault.Canceled)
			r.checkCalls(t, 0)
		})
	})
}

func TestACallBeyondTheBulkheadIsOverloaded(t *testing.T) {
	withPolicy(t, func(p *resilience.Policy) { p.Bulkhead = 2 }, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.provider.answer(func(context.Context, int) error { <-release; return nil })
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if err := r.pay(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		err := r.pay(t.Context())
		checkTook(t, start, 0, time.Second)
		checkKind(t, err, fault.Overloaded)
		if fault.From(err).RetryAfter == 0 {
			t.Error("retry after = 0, want a time")
		}
		r.checkCalls(t, 2)
		close(release)
		all.Wait()
		if err := r.pay(t.Context()); err != nil {
			t.Errorf("call once there is room: %v", err)
		}
	})
}

// storm makes calls by a hundred callers, all of which fail after a second.
func storm(t *testing.T, r *rig) (calls int) {
	t.Helper()
	r.provider.answer(func(ctx context.Context, _ int) error {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return fault.New(fault.Unavailable, "scripted", "")
	})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			checkKind(t, r.pay(t.Context()), fault.Unavailable)
		})
	}
	all.Wait()
	return r.provider.calls()
}

func TestRetriesAreBoundedDuringAnOutage(t *testing.T) {
	t.Parallel()
	t.Run("by the budget, while the breaker is closed", func(t *testing.T) {
		withPolicy(t, func(p *resilience.Policy) { p.Breaker.MinimumCalls = 10_000 }, func(t *testing.T, r *rig) {
			// A fifth of the calls in progress may be retries, and each call may have two.
			if n := storm(t, r); n > 140 {
				t.Errorf("calls of the provider for 100 callers = %d, want at most 140", n)
			}
			if !slices.Contains(r.decisions(), resilience.Spared) {
				t.Errorf("decisions = %v, want %q in it", r.decisions(), resilience.Spared)
			}
		})
	})
	t.Run("by the breaker", func(t *testing.T) {
		withPolicy(t, nil, func(t *testing.T, r *rig) {
			if n := storm(t, r); n > 120 {
				t.Errorf("calls of the provider for 100 callers = %d, want at most 120", n)
			}
		})
	})
}

func TestEveryDecisionIsReported(t *testing.T) {
	withPolicy(t, nil, func(t *testing.T, r *rig) {
		r.provider.answer(func(ctx context.Context, n int) error {
			<-time.After(time.Duration(n) * time.Second)
			return fails(fault.Unavailable)(ctx, n)
		})
		if err := r.pay(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []resilience.Decision{resilience.Tried, resilience.Retried, resilience.Tried}
		if got := r.decisions(); !slices.Equal(got, want) {
			t.Fatalf("decisions = %v, want %v", got, want)
		}
		for i, want := range map[int]resilience.Event{
			0: {Provider: "acme", Op: "create", Decision: resilience.Tried, Failed: true, Kind: fault.Unavailable, Counts: true, Attempt: 1, Took: time.Second},
			2: {Provider: "acme", Op: "create", Decision: resilience.Tried, Attempt: 2, Took: 2 * time.Second},
		} {
			got := r.events[i]
			got.Err = nil
			if got != want {
				t.Errorf("event %d = %+v, want %+v", i, got, want)
			}
		}
	})
}

func TestTheLastFailureIsReturnedUnchanged(t *testing.T) {
	withPolicy(t, nil, func(t *testing.T, r *rig) {
		own := errors.New("cause")
		r.provider.answer(func(context.Context, int) error {
			return &fault.Error{Kind: fault.Declined, Code: "card_declined", DeclineCode: "lost_card", Err: own}
		})
		i, err := r.gateway.Create(t.Context(), payment.CreateRequest{})
		if got, want := fault.From(err).DeclineCode, "lost_card"; got != want {
			t.Errorf("decline code = %q, want %q", got, want)
		}
		if !errors.Is(err, own) {
			t.Errorf("error = %v, want %v in its chain", err, own)
		}
		if got, want := i.Reference, "pi_1"; got != want {
			t.Errorf("reference of the intent = %q, want %q", got, want)
		}
	})
}

// A message that has expired while the policy waits is not tried again.
func TestAMessageThatHasExpiredIsNotTriedAgain(t *testing.T) {
	withPolicy(t, nil, func(t *testing.T, r *rig) {
		r.provider.answer(func(_ context.Context, n int) error {
			if n == 1 {
				return &fault.Error{Kind: fault.RateLimited, RetryAfter: time.Second}
			}
			return nil
		})
		_, err := r.mailer.Send(t.Context(), email.Message{ExpiresAt: time.Now().Add(500 * time.Millisecond)})
		if code := fault.From(err).Code; code != email.CodeExpired {
			t.Errorf("error = %v, want code %s", err, email.CodeExpired)
		}
		r.checkCalls(t, 1)
	})
}

// What was checked before the first try, such as who gets no mail, may have changed after a longer wait.
func TestMailIsTriedAgainAtOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	within := func(end time.Duration) func(ctx context.Context) context.Context {
		return func(ctx context.Context) context.Context { return ports.WithRetriesEnd(ctx, time.Now().Add(end)) }
	}
	anyTime := func(ctx context.Context) context.Context { return ctx }
	for name, c := range map[string]struct {
		after time.Duration // which the provider asks for
		of    func(ctx context.Context) context.Context
		calls int
	}{
		"after a second":                         {time.Second, anyTime, 2},
		"after more than that":                   {time.Second + 1, anyTime, 1},
		"while what was checked holds":           {900 * time.Millisecond, within(time.Second), 2},
		"from then on":                           {time.Second, within(time.Second), 1},
		"not once it holds no more at the start": {0, within(0), 1},
	} {
		t.Run(name, func(t *testing.T) {
			withPolicy(t, func(p *resilience.Policy) { p.Backoff.Initial = 0 }, func(t *testing.T, r *rig) {
				r.provider.answer(func(_ context.Context, n int) error {
					if n == 1 {
						return &fault.Error{Kind: fault.RateLimited, RetryAfter: c.after}
					}
					return nil
				})
				_, err := r.mailer.Send(c.of(t.Context()), email.Message{})
				r.checkCalls(t, c.calls)
				if (err == nil) != (c.calls == 2) {
					t.Errorf("error = %v after %d calls", err, c.calls)
				}
			})
		})
	}
}
