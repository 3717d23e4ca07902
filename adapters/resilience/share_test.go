package resilience_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/fault"
	"patchbay/ports"
)

// bulkheadOf8 runs a test with a provider of 8 places whose calls hang until the test ends, except
// quick ones. hang makes calls of a tenant, and returns once each has a place or was refused.
func bulkheadOf8(t *testing.T, test func(t *testing.T, r *rig, hang func(tenant string, n int))) {
	t.Helper()
	withPolicy(t, func(p *resilience.Policy) { p.Bulkhead, p.Timeout, p.Deadline = 8, 24*time.Hour, 24*time.Hour }, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.provider.answer(func(ctx context.Context, _ int) error {
			if ctx.Value(hangs{}) != nil {
				<-release
			}
			return nil
		})
		var all sync.WaitGroup
		test(t, r, func(tenant string, n int) {
			for range n {
				all.Go(func() { _ = r.pay(context.WithValue(ports.WithTenant(t.Context(), tenant), hangs{}, true)) })
			}
			<-time.After(time.Second) // longer than a call waits for a place
			synctest.Wait()
		})
		close(release)
		all.Wait()
	})
}

type hangs struct{}

// quick makes a call that does not hang, and checks whether it is made or refused.
func quick(t *testing.T, r *rig, tenant string, want bool) {
	t.Helper()
	err := r.pay(ports.WithTenant(t.Context(), tenant))
	if want && err != nil || !want && !fault.Is(err, fault.Overloaded) {
		t.Errorf("call of tenant %q: error = %v, want it to be made = %t", tenant, err, want)
	}
}

func TestATenantAloneMayUseAllPlaces(t *testing.T) {
	for _, tenant := range []string{"default", ""} {
		t.Run(fmt.Sprintf("%q", tenant), func(t *testing.T) {
			bulkheadOf8(t, func(t *testing.T, r *rig, hang func(string, int)) {
				hang(tenant, 7)
				quick(t, r, tenant, true)
				hang(tenant, 1)
				quick(t, r, tenant, false)
			})
		})
	}
}

func TestATenantLeavesPlacesToOthers(t *testing.T) {
	bulkheadOf8(t, func(t *testing.T, r *rig, hang func(string, int)) {
		quick(t, r, "quick", true)
		hang("slow", 100)
		if n := r.provider.calls() - 1; n != 4 {
			t.Errorf("places of the slow tenant = %d, want 4 of 8", n)
		}
		quick(t, r, "slow", false)
		quick(t, r, "quick", true)
		hang("slower", 100)
		if n := r.provider.calls() - 2; n != 6 {
			t.Errorf("places of the two slow tenants = %d, want 6 of 8", n)
		}
		for range 100 {
			quick(t, r, "quick", true)
		}
		quick(t, r, "", true) // without a tenant, such as a sweep
	})
}

// A tenant is unknown before its first call. If another one has all places, it waits for one like
// every caller; then the places are shared.
func TestPlacesAreSharedFromTheFirstCallOfAnotherTenant(t *testing.T) {
	bulkheadOf8(t, func(t *testing.T, r *rig, hang func(string, int)) {
		hang("slow", 7)
		quick(t, r, "quick", true)
		quick(t, r, "slow", false)
		quick(t, r, "quick", true)
	})
}

func TestATenantAloneForAnHourMayUseAllPlacesAgain(t *testing.T) {
	bulkheadOf8(t, func(t *testing.T, r *rig, hang func(string, int)) {
		quick(t, r, "quick", true)
		hang("slow", 4)
		quick(t, r, "slow", false)
		<-time.After(time.Hour)
		hang("slow", 3)
		quick(t, r, "slow", true)
	})
}
