package app

import (
	"time"

	"patchbay/adapters/metrics"
	"patchbay/adapters/resilience"
	"patchbay/config"
)

// fileDeadline is how long one request may wait for a store that is a file.
const fileDeadline = 30 * time.Second

// withPolicy returns the resilience options of a provider, which report the decisions of its
// policy to the log and the metrics. as is the provider's role.
func withPolicy(p config.Provider, s environment, as role) resilience.Options {
	c := p.Policy
	s.metrics.Add(p.Name, decisions...)
	log := newObserver(p.Name, as, s)
	return resilience.Options{
		Policy: resilience.Policy{
			Timeout: c.Timeout, Deadline: c.Deadline, Attempts: c.Attempts,
			Backoff: resilience.Backoff(c.Backoff), RetryBudget: c.RetryBudget, Breaker: resilience.Breaker(c.Breaker), Bulkhead: c.Bulkhead,
		},
		Observe: func(e resilience.Event) {
			log.observe(e)
			measure(s.metrics, e)
		},
	}
}

// storeDeadline is how long one request may wait for the store in total, over all its
// calls.
func storeDeadline(c *config.Config) time.Duration {
	if p := c.Provider[c.Storage.Provider]; p.Type.Server {
		return p.Policy.Deadline
	}
	return fileDeadline
}

// decisions are the decisions about a call that are counted.
var decisions = []string{string(resilience.Retried), string(resilience.Spared), string(resilience.Skipped), string(resilience.Overloaded), string(resilience.Refusing)}

// heldBack is the decision about an email that a provider does not get because of its rate.
const heldBack = "held_back"

var breakers = map[resilience.Decision]metrics.State{resilience.Opened: metrics.Open, resilience.Probing: metrics.Probing, resilience.Closed: metrics.Closed}

// measure updates the metrics for an event at a provider.
func measure(m *metrics.Metrics, e resilience.Event) {
	state, ofBreaker := breakers[e.Decision]
	switch {
	case ofBreaker:
		m.Breaker(e.Provider, state)
	case e.Decision == resilience.Tried:
		outcome := metrics.OK
		if e.Failed {
			outcome = e.Kind.String()
		}
		m.Tried(e.Provider, e.Op, outcome, e.Took)
	default:
		m.Decided(e.Provider, string(e.Decision))
	}
}
