package resilience

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/common"
	"github.com/failsafe-go/failsafe-go/policy"

	"patchbay/ports"
)

// sharedFor is how long the places stay shared after the last call of another tenant.
const sharedFor = time.Hour

// share prevents one tenant's calls from taking all places of a provider's bulkhead. A
// tenant that is alone may have all of them. If there are others, it holds no more places
// than are free, so there are always some for the others. A tenant that holds none may wait
// for a place, as it could without a share.
//
// Calls without a tenant take places too, but have no share.
type share struct {
	mu     sync.Mutex
	free   int // free places; negative while calls wait for one
	held   map[string]int
	last   string    // the last tenant that called
	change time.Time // when the calling tenant last changed
}

func newShare(places int) *share { return &share{free: places, held: map[string]int{}} }

// enter takes a place for a tenant, unless it has used its share.
func (s *share) enter(tenant string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if tenant != "" {
		if tenant != s.last {
			if s.last != "" {
				s.change = time.Now()
			}
			s.last = tenant
		}
		if held := s.held[tenant]; held > 0 && held >= s.free && time.Since(s.change) < sharedFor {
			return false
		}
		s.held[tenant]++
	}
	s.free--
	return true
}

func (s *share) leave(tenant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if tenant == "" {
		return
	}
	if s.held[tenant]--; s.held[tenant] == 0 {
		delete(s.held, tenant)
	}
}

// of returns the share as a policy for one call. It is outside the bulkhead and refuses
// with the same error.
func (s *share) of(ctx context.Context) failsafe.Policy[any] {
	return place{share: s, tenant: ports.TenantOf(ctx)}
}

// place is the place of one call.
type place struct {
	*policy.BaseExecutor[any]
	*share
	tenant string
}

// ToExecutor implements failsafe.Policy.
func (p place) ToExecutor(any) any { return p }

// Apply implements policy.Executor.
func (p place) Apply(call func(failsafe.Execution[any]) *common.PolicyResult[any]) func(failsafe.Execution[any]) *common.PolicyResult[any] {
	return func(e failsafe.Execution[any]) *common.PolicyResult[any] {
		if !p.enter(p.tenant) {
			return &common.PolicyResult[any]{Error: bulkhead.ErrFull, Done: true}
		}
		defer p.leave(p.tenant)
		return call(e)
	}
}
