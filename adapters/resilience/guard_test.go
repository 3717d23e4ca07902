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

// script returns the result of the nth call, counted from 1.
type script func(ctx context.Context, n int) error

// provider counts calls and answers them by its script.
type provider struct {
	ports.PaymentGateway
	mu     sync.Mutex
	script script
	at     []time.Time
}

func (p *provider) Name() string { return "acme" }

func (p *provider) Capabilities() payment.Capabilities {
	return payment.Capabilities{Keys: payment.Keys{Kept: time.Hour}}
}

func (p *provider) call(ctx context.Context) error {
	p.mu.Lock()
	p.at = append(p.at, time.Now())
	n, s := len(p.at), p.script
	p.mu.Unlock()
	return s(ctx, n)
}

func (p *provider) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.at)
}

func (p *provider) becomes(s script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = s
}

func (p *provider) Create(ctx context.Context, _ payment.CreateRequest) (payment.Intent, error) {
	return payment.Intent{Reference: "pi_1"}, p.call(ctx)
}

func (p *provider) Retrieve(ctx context.Context, reference string) (payment.Intent, error) {
	return payment.Intent{Reference: reference}, p.call(ctx)
}

// mailbox is the same for mail.
type mailbox struct{ *provider }

func (m mailbox) Features() email.Features { return email.Features{} }

func (m mailbox) Send(ctx context.Context, _ email.Message) (email.Receipt, error) {
	return email.Receipt{Reference: "1"}, m.call(ctx)
}

// rig is a provider with the default policy, on virtual time.
type rig struct {
	provider *provider
	gateway  *resilience.Gateway
	mailer   *resilience.Mailer
	mu       sync.Mutex
	events   []resilience.Event
}

func within(t *testing.T, change func(*resilience.Policy), test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{provider: &provider{script: good}}
		policy := defaultpolicy.Provider()
		if change != nil {
			change(&policy)
		}
		o := resilience.Options{Policy: policy, Observe: func(e resilience.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		}}
		r.gateway, r.mailer = resilience.NewGateway(r.provider, o), resilience.NewMailer(mailbox{r.provider}, o)
		test(t, r)
	})
}

func (r *rig) pay(ctx context.Context) error {
	_, err := r.gateway.Create(ctx, payment.CreateRequest{})
	return err
}

func (r *rig) told() (list []resilience.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		list = append(list, e.Decision)
	}
	return list
}

func good(context.Context, int) error { return nil }

func fails(kinds ...fault.Kind) script {
	return func(_ context.Context, n int) error {
		if n > len(kinds) {
			return nil
		}
		return fault.New(kinds[n-1], "scripted", "")
	}
}

func always(kind fault.Kind) script {
	return func(context.Context, int) error { return fault.New(kind, "scripted", "") }
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			payments := map[bool]int{true: 3, false: 1}[kind.Rule().Retry]
			mail := payments
			if kind == fault.UnknownOutcome {
				mail = 1 // it may have gone out, and the provider knows no key
			}
			within(t, nil, func(t *testing.T, r *rig) {
				r.provider.becomes(always(kind))
				if err := r.pay(t.Context()); !fault.Is(err, kind) || r.provider.calls() != payments {
					t.Errorf("a payment: %v after %d calls, want %d", err, r.provider.calls(), payments)
				}
				before := r.provider.calls()
				_, err := r.mailer.Send(t.Context(), email.Message{})
				if n := r.provider.calls() - before; !fault.Is(err, kind) || n != mail {
					t.Errorf("a mail: %v after %d calls, want %d", err, n, mail)
				}
			})
		})
	}
}

// forgetful remembers no keys.
type forgetful struct{ *provider }

func (forgetful) Capabilities() payment.Capabilities { return payment.Capabilities{} }

func TestWithoutKeysOnlyWhatDidNothingIsTriedAgain(t *testing.T) {
	t.Parallel()
	for kind, want := range map[fault.Kind]int{fault.UnknownOutcome: 1, fault.Unavailable: defaultpolicy.Provider().Attempts} {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, nil, func(t *testing.T, r *rig) {
				r.gateway = resilience.NewGateway(forgetful{r.provider}, resilience.Options{Policy: defaultpolicy.Provider()})
				r.provider.becomes(func(context.Context, int) error { return fault.New(kind, "scripted", "") })
				if err := r.pay(t.Context()); !fault.Is(err, kind) || r.provider.calls() != want {
					t.Errorf("%v after %d calls, want %s after %d", err, r.provider.calls(), kind, want)
				}
			})
		})
	}
}

// Once one try had an unknown outcome, a failure that proves nothing about it leaves it unknown.
func TestAnErrorThatForbidsRetriesIsNotRetried(t *testing.T) {
	within(t, nil, func(t *testing.T, r *rig) {
		r.provider.becomes(func(context.Context, int) error {
			return &fault.Error{Kind: fault.UnknownOutcome, NoRetry: true}
		})
		if err := r.pay(t.Context()); !fault.Is(err, fault.UnknownOutcome) || r.provider.calls() != 1 {
			t.Errorf("%v after %d calls, want kind %v, calls 1", err, r.provider.calls(), fault.UnknownOutcome)
		}
	})
}

func TestUnknownIsSticky(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			within(t, nil, func(t *testing.T, r *rig) {
				r.provider.becomes(fails(fault.UnknownOutcome, kind, kind))
				if err := r.pay(t.Context()); !fault.Is(err, fault.UnknownOutcome) {
					t.Errorf("%v, want %s", err, fault.UnknownOutcome)
				}
			})
		})
	}
	t.Run("a decline with the provider's own object settles it", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(func(_ context.Context, n int) error {
				if n == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return &fault.Error{Kind: fault.Declined, Proven: true}
			})
			if err := r.pay(t.Context()); !fault.Is(err, fault.Declined) || r.provider.calls() != 2 {
				t.Errorf("%v after %d calls, want kind %v, calls 2", err, r.provider.calls(), fault.Declined)
			}
		})
	})
	t.Run("no other failure does, whatever it comes with", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(func(_ context.Context, n int) error {
				if n == 1 {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return &fault.Error{Kind: fault.Conflict, Proven: true, RetryAfter: 7 * time.Second}
			})
			err := r.pay(t.Context())
			if f := fault.From(err); f.Kind != fault.UnknownOutcome || f.RetryAfter != 7*time.Second || !strings.Contains(err.Error(), "conflict") {
				t.Errorf("%v, to be tried again after %s, want kind %v, retry after %v, \"conflict\" in it", err, f.RetryAfter, fault.UnknownOutcome, 7*time.Second)
			}
		})
	})
	t.Run("a look is as its last answer", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(fails(fault.UnknownOutcome, fault.NotFound))
			if _, err := r.gateway.Retrieve(t.Context(), "pi_1"); !fault.Is(err, fault.NotFound) {
				t.Errorf("got %v, want kind %v", err, fault.NotFound)
			}
		})
	})
	t.Run("a mail is never sent again", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(fails(fault.RateLimited, fault.UnknownOutcome, fault.RateLimited))
			_, err := r.mailer.Send(t.Context(), email.Message{})
			if !fault.Is(err, fault.UnknownOutcome) || r.provider.calls() != 2 {
				t.Errorf("%v after %d calls, want kind %v, calls 2", err, r.provider.calls(), fault.UnknownOutcome)
			}
		})
	})
	t.Run("a success settles it", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(fails(fault.UnknownOutcome, fault.Unavailable))
			if err := r.pay(t.Context()); err != nil || r.provider.calls() != 3 {
				t.Errorf("%v after %d calls, want calls 3", err, r.provider.calls())
			}
		})
	})
	t.Run("an open breaker leaves it so", func(t *testing.T) {
		within(t, func(p *resilience.Policy) { p.Breaker.MinimumCalls = 1 }, func(t *testing.T, r *rig) {
			r.provider.becomes(always(fault.UnknownOutcome))
			if err := r.pay(t.Context()); !fault.Is(err, fault.UnknownOutcome) || r.provider.calls() != 1 {
				t.Errorf("%v after %d calls, want kind %v, calls 1", err, r.provider.calls(), fault.UnknownOutcome)
			}
		})
	})
}

func TestTheWaitBetweenTries(t *testing.T) {
	t.Parallel()
	asks := func(after time.Duration) script {
		return func(context.Context, int) error { return &fault.Error{Kind: fault.RateLimited, RetryAfter: after} }
	}
	for name, c := range map[string]struct {
		script      script
		calls       int
		least, most time.Duration // until the end
	}{
		"is random up to 0.5 s and 1 s":               {always(fault.Unavailable), 3, 0, 1500 * time.Millisecond},
		"is what the provider asks for":               {asks(7 * time.Second), 3, 14 * time.Second, 14 * time.Second},
		"is not begun where the deadline comes first": {asks(40 * time.Second), 1, 0, 0},
		"ends with the deadline":                      {asks(16 * time.Second), 2, 16 * time.Second, 16 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, nil, func(t *testing.T, r *rig) {
				r.provider.becomes(c.script)
				start := time.Now()
				err := r.pay(t.Context())
				if took := time.Since(start); err == nil || r.provider.calls() != c.calls || took < c.least || took > c.most {
					t.Errorf("%v after %d calls in %s, want an error, calls %v, took at least %v, took at most %v", err, r.provider.calls(), took, c.calls, c.least, c.most)
				}
			})
		})
	}
}

func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return fault.Wrap(fault.UnknownOutcome, "acme.create", ctx.Err())
	}
	t.Run("of one try, and of all", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			r.provider.becomes(hang)
			start := time.Now()
			err := r.pay(t.Context())
			if !fault.Is(err, fault.UnknownOutcome) || time.Since(start) > 30*time.Second || r.provider.calls() < 2 {
				t.Errorf("%v after %d calls in %s, want kind %v, within %v, calls at least 2", err, r.provider.calls(), time.Since(start), fault.UnknownOutcome, 30*time.Second)
			}
			if second := r.provider.at[1].Sub(r.provider.at[0]); second < 10*time.Second || second > 11*time.Second {
				t.Errorf("the second try came after %s, want at least %v, at most %v", second, 10*time.Second, 11*time.Second)
			}
		})
	})
	t.Run("by the caller too", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			r.provider.becomes(hang)
			start := time.Now()
			if err := r.pay(ctx); !fault.Is(err, fault.UnknownOutcome) || time.Since(start) != 3*time.Second || r.provider.calls() != 1 {
				t.Errorf("%v after %d calls in %s, want kind %v, after %v, calls 1", err, r.provider.calls(), time.Since(start), fault.UnknownOutcome, 3*time.Second)
			}
		})
	})
	t.Run("a caller who is gone asks nobody", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.pay(ctx); !fault.Is(err, fault.Canceled) || r.provider.calls() != 0 {
				t.Errorf("%v after %d calls, want kind %v, calls 0", err, r.provider.calls(), fault.Canceled)
			}
		})
	})
}

func TestTheBulkhead(t *testing.T) {
	within(t, func(p *resilience.Policy) { p.Bulkhead = 2 }, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.provider.becomes(func(context.Context, int) error { <-release; return nil })
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
		if f := fault.From(err); f.Kind != fault.Overloaded || f.RetryAfter == 0 || r.provider.calls() != 2 || time.Since(start) > time.Second {
			t.Errorf("%v after %s, %d calls, want kind %v, a RetryAfter, calls 2, within %v", err, time.Since(start), r.provider.calls(), fault.Overloaded, time.Second)
		}
		close(release)
		all.Wait()
		if err := r.pay(t.Context()); err != nil {
			t.Errorf("once there is room: %v", err)
		}
	})
}

// storm makes calls by a hundred callers, all of which fail after a second.
func storm(t *testing.T, r *rig) (calls int) {
	t.Helper()
	r.provider.becomes(func(ctx context.Context, _ int) error {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return fault.New(fault.Unavailable, "scripted", "")
	})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if err := r.pay(t.Context()); !fault.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return r.provider.calls()
}

func TestRetriesAreBoundedDuringAnOutage(t *testing.T) {
	t.Parallel()
	t.Run("by the budget, where no breaker helps", func(t *testing.T) {
		within(t, func(p *resilience.Policy) { p.Breaker.MinimumCalls = 10_000 }, func(t *testing.T, r *rig) {
			// A fifth of the calls in progress may be retries, and each call may have two.
			if n := storm(t, r); n > 140 || !slices.Contains(r.told(), resilience.Spared) {
				t.Errorf("%d calls for 100; %v, want at most 140, %q in it", n, r.told(), resilience.Spared)
			}
		})
	})
	t.Run("by the breaker too", func(t *testing.T) {
		within(t, nil, func(t *testing.T, r *rig) {
			if n := storm(t, r); n > 120 {
				t.Errorf("%d calls for 100, want at most 120", n)
			}
		})
	})
}

func TestEveryDecisionIsReported(t *testing.T) {
	within(t, nil, func(t *testing.T, r *rig) {
		r.provider.becomes(func(ctx context.Context, n int) error {
			<-time.After(time.Duration(n) * time.Second)
			return fails(fault.Unavailable)(ctx, n)
		})
		if err := r.pay(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []resilience.Decision{resilience.Tried, resilience.Retried, resilience.Tried}
		if got := r.told(); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		first, last := r.events[0], r.events[2]
		if first.Provider != "acme" || first.Op != "create" || !first.Failed || first.Kind != fault.Unavailable || first.Attempt != 1 ||
			first.Took != time.Second || last.Failed || last.Attempt != 2 || last.Took != 2*time.Second {
			t.Errorf("got %+v, want a failed create at acme of kind %v, attempt 1 of %v, and then a successful attempt 2 of %v", r.events, fault.Unavailable, time.Second, 2*time.Second)
		}
	})
}

func TestTheLastFailureIsReturnedUnchanged(t *testing.T) {
	within(t, nil, func(t *testing.T, r *rig) {
		own := errors.New("cause")
		r.provider.becomes(func(context.Context, int) error {
			return &fault.Error{Kind: fault.Declined, Code: "card_declined", DeclineCode: "lost_card", Err: own}
		})
		i, err := r.gateway.Create(t.Context(), payment.CreateRequest{})
		if f := fault.From(err); f.DeclineCode != "lost_card" || !errors.Is(err, own) || i.Reference != "pi_1" {
			t.Errorf("got %+v, %v, want decline code lost_card, error %v, reference pi_1", i, err, own)
		}
	})
}
