package payments_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/tests/memjournal"
)

// names tells which account each provider's name means.
type names struct {
	account atomic.Value
	pending atomic.Bool
}

func (n *names) Account(string) string { return n.account.Load().(string) }

func (n *names) Pending(string) bool { return n.pending.Load() }

func TestOperationIsNeverSentToAnotherAccount(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before, after          string
		pending, asked, review bool
	}{
		"the same account":              {"acct_1", "acct_1", false, true, false},
		"another account":               {"acct_1", "acct_2", false, false, true},
		"one that is being asked for":   {"acct_1", "", true, false, false},
		"one that will not be known":    {"acct_1", "", false, true, false},
		"one that was not known before": {"", "acct_2", false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, r *rig) {
				var known names
				known.account.Store(tt.before)
				s := r.another(t, "two", func(o *payments.Options) { o.Accounts, o.Journal = &known, memjournal.New(clock.System{}) })
				r.provider.cannotLook(fault.New(fault.Unavailable, "scripted", ""))
				r.provider.failBefore(func(_ context.Context, _ payment.Action, n int) error {
					if n == 1 {
						known.account.Store(tt.after)
						known.pending.Store(tt.pending)
						return fault.New(fault.UnknownOutcome, "scripted", "")
					}
					return nil
				})
				res, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
				if err != nil || !res.Operation.Outcome.Open() {
					t.Fatalf("outcome = %q, error %v; want an open one", res.Operation.Outcome, err)
				}
				<-time.After(time.Minute)
				p, err := s.Get(t.Context(), tenant, res.Payment.ID)
				if asked := r.provider.called() > 1; err != nil || asked != tt.asked || p.NeedsReview != tt.review || (p.Status == payment.Succeeded) != tt.asked {
					t.Fatalf("asked: %t; %+v, %v", asked, p, err)
				}
				known.account.Store("acct_1") // the configuration is as it was
				<-time.After(2 * time.Hour)
				if p, err := s.Get(t.Context(), tenant, res.Payment.ID); err != nil || p.Status != payment.Succeeded {
					t.Errorf("status = %q, error %v; want %q", p.Status, err, payment.Succeeded)
				}
				if tt.before == "" {
					return
				}
				known.account.Store("acct_3")
				if _, err := s.Refund(t.Context(), tenant, res.Payment.ID, 1, idempotency.Key{}); fault.From(err).Code != "account_changed" {
					t.Errorf("a refund at another account: %v", err)
				}
			})
		})
	}
}
