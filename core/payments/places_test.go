package payments_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/ports"
)

// hangsFor is a provider that says nothing to a tenant until a call is given up.
func hangsFor(tenant string) script {
	return func(ctx context.Context, _ payment.Action, _ int) error {
		if ports.TenantOf(ctx) != tenant {
			return nil
		}
		<-ctx.Done()
		return fault.Wrap(fault.UnknownOutcome, "scripted", ctx.Err())
	}
}

// crowd lets so many payments begin at once, of a tenant at a provider.
func (r *rig) crowd(t *testing.T, tenant, provider string, n int) {
	t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if _, err := r.Create(t.Context(), tenant, at(provider), key(fmt.Sprint(tenant, i), "a")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// at is a payment that only one provider can take.
func at(provider string) payments.CreateRequest {
	req := request()
	req.PaymentMethod, req.PaymentMethods = "", map[string]string{provider: "pm_ok"}
	return req
}

// settles is how long it takes to find out what became of a payment whose answer was
// lost, at the second provider.
func (r *rig) settles(t *testing.T) time.Duration {
	t.Helper()
	r.all[1].failAfter(fails(fault.UnknownOutcome, r.all[1].called()+1))
	res, err := r.Create(t.Context(), tenant, at("healthy"), key("k", "a"))
	if err != nil || res.Payment.Status != payment.Processing {
		t.Fatalf("status = %q, error %v; want %q", res.Payment.Status, err, payment.Processing)
	}
	start := time.Now()
	if p := r.waitClosed(t, res.Payment.ID, time.Hour); p.Status != payment.Succeeded {
		t.Errorf("%+v", p)
	}
	return time.Since(start)
}

func TestHangingPaymentsDelayNoInvestigation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		tenant, provider string
		crowd            int
	}{
		"all is well":                            {tenant, "hanging", 0},
		"another provider hangs":                 {tenant, "hanging", 300},
		"another tenant's hang at this provider": {"another", "healthy", 300},
	} {
		t.Run(name, func(t *testing.T) {
			withProviders(t, []string{"hanging", "healthy"}, func(t *testing.T, r *rig) {
				synctest.Wait()
				for _, p := range r.all {
					if p.name == tt.provider {
						p.failBefore(hangsFor(tt.tenant))
					}
				}
				r.crowd(t, tt.tenant, tt.provider, tt.crowd)
				<-time.After(time.Minute) // until all that can be is under way
				if took := r.settles(t); took > 5*time.Second {
					t.Errorf("settled after %s", took)
				}
			})
		})
	}
}
