package payments_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// hang makes the next call take longer than the caller waits, and refuses it and those
// after it.
func (r *rig) hang(kind fault.Kind, until time.Duration) {
	start, next := time.Now(), r.provider.called()+1
	r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
		if n == next {
			<-time.After(20 * time.Second)
		}
		if time.Since(start) < until {
			return fault.New(kind, "scripted", "")
		}
		return nil
	})
}

func TestAcceptedOperationIsRetriedInTheBackground(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Unavailable, fault.RateLimited, fault.Unauthorized} {
		t.Run(kind.String(), func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				r.hang(kind, 5*time.Minute)
				res, err := r.pay(t, "k")
				if err != nil || res.Payment.Status != payment.Processing {
					t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
				}
				<-time.After(time.Minute)
				if again, err := r.pay(t, "k"); err != nil || !again.Operation.Outcome.Open() {
					t.Errorf("a repeat meanwhile: %+v, %v", again.Operation, err)
				}
				if p := r.waitClosed(t, res.Payment.ID, 8*time.Minute); p.Status != payment.Succeeded || r.provider.captured() != 1 || len(p.Operations) != 1 {
					t.Errorf("%+v, %d charges", p, r.provider.captured())
				}
			})
		})
	}
}

func TestAcceptedPaymentThatNoProviderTakesIsCanceled(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ expires, after, before time.Duration }{
		"after 15 minutes":                  {0, 14 * time.Minute, 19 * time.Minute},
		"when it expires, where earlier":    {5 * time.Minute, 4 * time.Minute, 8 * time.Minute},
		"after 15 minutes, where it is not": {time.Hour, 14 * time.Minute, 19 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, three, func(t *testing.T, r *rig) {
				r.hang(fault.Unavailable, time.Hour)
				r.all[1].failBefore(always(fault.Unavailable))
				r.all[2].failBefore(always(fault.RateLimited))
				create := everywhere()
				if tt.expires > 0 {
					create.ExpiresAt = time.Now().Add(tt.expires)
				}
				res, err := r.Create(t.Context(), tenant, create, key("k", "a"))
				if err != nil || res.Payment.Status != payment.Processing {
					t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
				}
				<-time.After(tt.after)
				if p := r.status(t, res.Payment.ID); p.Status != payment.Processing || p.NextLookAt.IsZero() {
					t.Fatalf("%+v", p)
				}
				<-time.After(tt.before - tt.after)
				p := r.status(t, res.Payment.ID)
				if p.Status != payment.Canceled || p.Error == nil || p.Error.Code != "not_executed" || len(p.Operations) != 3 {
					t.Fatalf("%+v", p)
				}
				events, err := r.journal.Feed(t.Context(), tenant, 0, 100)
				if err != nil || events[len(events)-1].Type != "payment.create_failed" && events[len(events)-2].Type != "payment.canceled" {
					t.Errorf("%v: %+v", err, events)
				}
				again, err := r.Create(t.Context(), tenant, create, key("k", "a"))
				if err != nil || !again.Replayed || again.Payment.Status != payment.Canceled {
					t.Errorf("%+v, %v", again.Payment, err)
				}
				if got := fmt.Sprint(r.charges()); got != "[0 0 0]" {
					t.Errorf("charges %s", got)
				}
			})
		})
	}
}
