package payments_test

import (
	"context"
	"testing"
	"time"

	"patchbay/core/payment"
	"patchbay/core/worker"
)

// Who panics over a call has not said what came of it: that is unknown, whatever was done.
func TestPanicLeavesTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	falls := func(_ context.Context, _ payment.Action, n int) error {
		if n == 1 {
			panic("the adapter's mistake")
		}
		return nil
	}
	for name, script := range map[string]func(p *provider){
		"before the provider has done it": func(p *provider) { p.failBefore(falls) },
		"after it":                        func(p *provider) { p.failAfter(falls) },
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, []string{"acme", "other"}, func(t *testing.T, r *rig) {
				script(r.provider)
				began := time.Now()
				res, err := r.pay(t, "k")
				if took := time.Since(began); err != nil || res.Payment.Status != payment.Processing || took > 9*time.Second {
					t.Fatalf("after %s: %+v, %v", took, res.Payment, err)
				}
				p := r.waitClosed(t, res.Payment.ID, 10*time.Minute)
				if p.Status != payment.Succeeded || p.Provider != "acme" || r.provider.captured() != 1 || r.all[1].called() != 0 {
					t.Errorf("%s at %s, %d charges, and %d calls of the other", p.Status, p.Provider, r.provider.captured(), r.all[1].called())
				}
			})
		})
	}
}

// A payment over which its worker panics each time waits, unknown as it is, until somebody
// puts it back.
func TestAPaymentThatIsSetAsideStaysUnknown(t *testing.T) {
	withProviders(t, []string{"acme", "other"}, func(t *testing.T, r *rig) {
		falls := func(context.Context, payment.Action, int) error { panic("the adapter's mistake") }
		r.provider.failAfter(falls)
		r.provider.looked = func() { panic("its other mistake") }
		res, err := r.pay(t, "k")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(24 * time.Hour)
		set := worker.Setbacks{Journal: r.journal}
		all, err := set.SetAside(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != res.Payment.ID || all[0].Reason != "panic" {
			t.Fatalf("%+v, %v", all, err)
		}
		calls := r.provider.called()
		p := r.status(t, res.Payment.ID)
		if op := p.Open(); op == nil || p.Status != payment.Processing || !p.NextLookAt.IsZero() {
			t.Errorf("%+v", p)
		}
		<-time.After(24 * time.Hour)
		if again, err := r.pay(t, "k"); err == nil && again.Payment.Status != payment.Processing || r.provider.called() != calls || r.all[1].called() != 0 {
			t.Errorf("the same key: %+v, %v; %d calls more, %d of the other", again.Payment, err, r.provider.called()-calls, r.all[1].called())
		}
		r.provider.failAfter(nil)
		r.provider.looked = nil
		if _, err := set.PutBack(t.Context(), all[0].Name(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if p := r.waitClosed(t, res.Payment.ID, 48*time.Hour); p.Provider != "acme" || p.Status != payment.Succeeded || r.provider.captured() != 1 {
			t.Errorf("%+v, %d charges", p, r.provider.captured())
		}
	})
}
