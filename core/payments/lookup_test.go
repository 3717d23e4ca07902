package payments_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
)

// lost makes a payment that the provider has, and of which the gateway hears nothing more
// until the provider is back: neither by a call nor by a look.
func (r *rig) lost(t *testing.T, outage time.Duration) (id string) {
	t.Helper()
	start := time.Now()
	down := func() bool { return time.Since(start) < outage }
	r.provider.failAfter(fails(fault.UnknownOutcome, 1))
	r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
		if n > 1 {
			return fault.New(fault.UnknownOutcome, "scripted", "")
		}
		return nil
	})
	r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
	res, err := r.pay(t, "k")
	if err != nil || !res.Operation.Outcome.Open() {
		t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
	}
	for down() {
		<-time.After(time.Second)
	}
	r.provider.cannotLook(nil)
	return res.Payment.ID
}

// shift sets the provider's clock off.
func (r *rig) shift(by time.Duration) {
	r.provider.mu.Lock()
	defer r.provider.mu.Unlock()
	r.provider.now = func() time.Time { return time.Now().Add(by) }
}

func TestExistingIntentIsFoundWhateverTheClocks(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 6 * time.Minute, -6 * time.Minute, 3 * time.Hour, -3 * time.Hour} {
		for _, outage := range []time.Duration{time.Second, 20 * time.Minute, 90 * time.Minute} {
			t.Run(fmt.Sprintf("skew %s, outage %s", skew, outage), func(t *testing.T) {
				onVirtualTime(t, func(t *testing.T, r *rig) {
					r.shift(skew)
					id := r.lost(t, outage)
					if p := r.waitClosed(t, id, 2*time.Minute); p.Status != payment.Succeeded || r.provider.captured() != 1 {
						t.Errorf("%+v", p)
					}
				})
			})
		}
	}
}

// What is not there yet may come late: it is absent an hour after the first look, by the
// provider's own clock, and not by one of ours that was set.
func TestAbsenceIsProvedByTheProvidersClock(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.UnknownOutcome))
		clock := &skewed{}
		s := r.another(t, "two", func(o *payments.Options) { o.Clock = clock })
		res, _ := s.Create(t.Context(), tenant, request(), key("k", "a"))
		<-time.After(time.Minute)
		clock.set(2 * time.Hour)
		<-time.After(10 * time.Minute)
		if p := r.status(t, res.Payment.ID); p.Status != payment.Processing {
			t.Fatalf("%s after a step of our clock", p.Status)
		}
		<-time.After(3 * time.Hour) // what that clock has put off is due
		if p := r.status(t, res.Payment.ID); p.Status != payment.Canceled {
			t.Errorf("%+v", p)
		}
	})
}

func TestClockSetBackMakesNoKeyFresh(t *testing.T) {
	t.Parallel()
	for _, back := range []time.Duration{20 * time.Minute, 2 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				clock := &skewed{}
				s := r.another(t, "two", func(o *payments.Options) { o.Clock = clock })
				r.provider.failBefore(always(fault.UnknownOutcome))
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				if _, err := s.Create(t.Context(), tenant, request(), key("k", "a")); err != nil {
					t.Fatal(err)
				}
				<-time.After(16 * time.Minute)
				calls := r.provider.called()
				clock.set(-back)
				<-time.After(30 * time.Minute)
				if n := r.provider.called() - calls; n > 0 {
					t.Errorf("the call was repeated %d times", n)
				}
			})
		})
	}
}

// Among 25,000 intents, read a hundred at a time by a provider that fails now and then,
// all that are sought are found in few walks.
func TestInterruptedListingContinues(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		const sought, others = 40, 25_000
		r.provider.failAfter(func(_ context.Context, a payment.Action, _ int) error {
			if a == payment.Create {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		})
		r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
		var ids []string
		for n := range sought {
			res, err := r.pay(t, fmt.Sprint("k", n))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, res.Payment.ID)
		}
		r.provider.mu.Lock()
		for n := range others {
			ref := fmt.Sprintf("pi_other_%05d", n)
			r.provider.intents[ref] = &payment.Intent{Reference: ref, Status: payment.Succeeded, Amount: 1, CreatedAt: r.provider.now().Add(time.Minute)}
		}
		r.provider.flaky = 50 // every 50th page
		r.provider.mu.Unlock()
		<-time.After(16 * time.Minute) // no call is repeated any more
		r.provider.cannotLook(nil)
		<-time.After(10 * time.Minute)
		for _, id := range ids {
			if p := r.status(t, id); p.Status != payment.Succeeded {
				t.Fatalf("%+v", p)
			}
		}
		if r.provider.pages > sought*others/100/2 { // one walk for each would take twice as many
			t.Errorf("%d pages were read", r.provider.pages)
		}
	})
}

// A walk through so many intents, at a provider that fails so often, takes longer than a
// walk is good for.
func TestSlowListingCompletes(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		const others = 25_000
		id := r.lost(t, 16*time.Minute) // no call is repeated any more
		r.provider.mu.Lock()
		for n := range others {
			ref := fmt.Sprintf("pi_other_%05d", n)
			r.provider.intents[ref] = &payment.Intent{Reference: ref, Status: payment.Succeeded, Amount: 1, CreatedAt: r.provider.now().Add(time.Minute)}
		}
		r.provider.flaky = 10 // every tenth page
		r.provider.mu.Unlock()
		start := time.Now()
		if p := r.waitClosed(t, id, time.Hour); p.Status != payment.Succeeded {
			t.Errorf("%+v", p)
		}
		if took := time.Since(start); took < 10*time.Minute || r.provider.pages > 2*others/100 {
			t.Errorf("%d pages were read in %s", r.provider.pages, took)
		}
	})
}

// skewed is a clock that can be set.
type skewed struct {
	clock.System
	by atomic.Int64
}

func (c *skewed) set(by time.Duration) { c.by.Store(int64(by)) }

func (c *skewed) Now() time.Time { return c.System.Now().Add(time.Duration(c.by.Load())) }
