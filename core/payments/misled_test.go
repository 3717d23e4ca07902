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

// It is proved that the account before has done nothing, so a repeat is a new operation at
// the one that the name means now.
func TestRefusedPaymentIsRepeatedAtTheConfiguredAccount(t *testing.T) {
	withProviders(t, three, func(t *testing.T, r *rig) {
		var known names
		known.account.Store("acct_1")
		s := r.another(t, "two", func(o *payments.Options) { o.Accounts, o.Journal = &known, memjournal.New(clock.System{}) })
		for _, p := range r.all {
			p.failBefore(always(fault.Unavailable))
		}
		if _, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a")); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		for _, p := range r.all {
			p.failBefore(nil)
		}
		known.account.Store("acct_2")
		again, err := s.Create(t.Context(), tenant, everywhere(), key("k", "a"))
		if err != nil {
			t.Fatal(err)
		}
		calls := r.all[0].called() + r.all[1].called() + r.all[2].called()
		<-time.After(3 * 24 * time.Hour)
		if p, _ := s.Get(t.Context(), tenant, again.Payment.ID); p.Open() != nil {
			t.Errorf("%s for three days, %s, with %d calls since the refusals", p.Status, route(p), calls-3)
		}
	})
}

// A person names an object for two payments. The second verdict is a conflict.
func TestAVerdictWithAnothersObjectIsRefused(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		r.provider.failBefore(always(fault.UnknownOutcome))
		one, _ := r.pay(t, "one")
		two, _ := r.pay(t, "two")
		<-time.After(time.Second)
		r.provider.mu.Lock()
		r.provider.intents["pi_9"] = &payment.Intent{Reference: "pi_9", Status: payment.Succeeded, Amount: 1250, Currency: "eur", AmountCaptured: 1250}
		r.provider.mu.Unlock()
		if _, err := r.Settle(t.Context(), tenant, one.Payment.ID, payments.SettleRequest{Verdict: payments.Executed, Reference: "pi_9"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var saves atomic.Int64
		fail := func(op string) error {
			if op == "save" && saves.Add(1) == 1000 {
				cancel()
			}
			return nil
		}
		r.fail.Store(&fail)
		_, err := r.Settle(ctx, tenant, two.Payment.ID, payments.SettleRequest{Verdict: payments.Executed, Reference: "pi_9"})
		if n := saves.Load(); n >= 1000 {
			t.Errorf("%d saves, and then the caller left: %v", n, err)
		}
	})
}

// A clock that is set back does not make an older operation the one that was begun.
func TestReplayedAnswerBelongsToItsOperationWhateverTheClock(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, r *rig) {
		clock := &skewed{}
		s := r.another(t, "two", func(o *payments.Options) { o.Clock = clock })
		clock.set(time.Hour)
		r.provider.failBefore(fails(fault.Unavailable, 1))
		first, err := s.Create(t.Context(), tenant, request(), key("k", "a"))
		if !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		clock.set(0)
		res, err := s.Cancel(t.Context(), tenant, first.Payment.ID, idempotency.Key{})
		if err != nil {
			t.Errorf("%s: %v", res.Payment.Status, err)
		}
	})
}
