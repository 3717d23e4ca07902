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

// together is how long the places stay shared after the last call of another tenant.
const together = time.Hour

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
		if held := s.held[tenant]; held > 0 && held >= s.free && time.Since(s.change) < together {
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
	return seat{share: s, tenant: ports.TenantOf(ctx)}
}

// seat is the place of one call.
type seat struct {
	*policy.BaseExecutor[any]
	*share
	tenant string
}

// ToExecutor implements failsafe.Policy.
func (s seat) ToExecutor(any) any { return s }

// Apply implements policy.Executor.
func (s seat) Apply(call func(failsafe.Execution[any]) *common.PolicyResult[any]) func(failsafe.Execution[any]) *common.PolicyResult[any] {
	return func(e failsafe.Execution[any]) *common.PolicyResult[any] {
		if !s.enter(s.tenant) {
			return &common.PolicyResult[any]{Error: bulkhead.ErrFull, Done: true}
		}
		defer s.leave(s.tenant)
		return call(e)
	}
}
