package emails_test

import (
	"testing"
	"time"

	"patchbay/adapters/resilience"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/defaultpolicy"
)

// A provider whose policy tries a call again is given no more for that: what waits for so long that its window
// ends is another attempt, with room of its own.
func TestRetriesWithinACallStayWithinTheRate(t *testing.T) {
	for name, asks := range map[string]time.Duration{"that come by themselves": 0, "the next second": 700 * time.Millisecond, "four seconds later": 4 * time.Second} {
		t.Run(name, func(t *testing.T) {
			var well time.Time
			first := &metered{name: "first", fail: func(now time.Time) error {
				if now.Before(well) {
					return &fault.Error{Kind: fault.RateLimited, Code: "scripted", RetryAfter: asks}
				}
				return nil
			}}
			policy := defaultpolicy.Provider()
			policy.Breaker.MinimumCalls, policy.RetryBudget = 1000, 100
			guarded := resilience.NewMailer(first, resilience.Options{Policy: policy})
			withRates(t, map[string]emails.Rate{"first": {Most: 5, Per: time.Second, Waits: true}}, []ports.Mailer{guarded}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				well = time.Now().Add(4500 * time.Millisecond)
				for i := range 90 { // more than the rate takes
					if _, _, err := s.Accept(t.Context(), tenant, draft(), idempotency.Key{}); err != nil {
						t.Fatal(err)
					}
					if i%10 == 9 {
						<-time.After(time.Second)
					}
				}
				<-time.After(5 * time.Minute)
				equal(t, "recipients", first.got(), 90)
				if got := first.most(time.Second); got > 5 {
					t.Errorf("%d recipients in one second, want 5 at most", got)
				}
			})
		})
	}
}
