package app

import (
	"time"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/adapters/metrics"
	"patchbay/config"
)

// fileDeadline is how long one request may wait for a store that is a file.
const fileDeadline = 30 * time.Second

// within gives a provider its policy, and lets the log and the metrics know what it
// decides. role is what the provider is for.
func within(p config.Provider, s surroundings, as role) failover.Options {
	c := p.Policy
	s.metrics.Add(p.Name, decisions...)
	tell := newObserver(p.Name, as, s)
	return failover.Options{
		Policy: failover.Policy{
			Timeout: c.Timeout, Deadline: c.Deadline, Attempts: c.Attempts,
			Backoff: failover.Backoff{Initial: c.Backoff.Initial, Max: c.Backoff.Max}, RetryBudget: c.RetryBudget,
			Breaker: failover.Breaker{
				FailureRate: c.Breaker.FailureRate, MinimumCalls: c.Breaker.MinimumCalls, Window: c.Breaker.Window, Open: c.Breaker.Open,
			},
			Bulkhead: c.Bulkhead,
		},
		Observe: func(e failover.Event) {
			tell.observe(e)
			measure(s.metrics, e)
		},
	}
}

// storeDeadline is how long one request may wait for the store, however often it asks.
func storeDeadline(c *config.Config) time.Duration {
	if p := c.Provider[c.Storage.Provider]; p.Type.Server {
		return p.Policy.Deadline
	}
	return fileDeadline
}

// outbound bounds what is asked of a provider over HTTP. A try ends with its
// policy's time-out; a connection for each call under way is kept.
func outbound(p config.Provider, baseURL string) httpclient.Options {
	return httpclient.Options{BaseURL: baseURL, Timeout: p.Policy.Timeout, MaxConns: p.Policy.Bulkhead}
}

// decisions are what is decided about a call, and counted.
var decisions = []string{string(failover.Retried), string(failover.Spared), string(failover.Skipped), string(failover.Overloaded), string(failover.Refusing)}

// measure counts what happens at a provider.
func measure(m *metrics.Metrics, e failover.Event) {
	switch e.Decision {
	case failover.Opened:
		m.Breaker(e.Provider, metrics.Open)
	case failover.Probing:
		m.Breaker(e.Provider, metrics.Probing)
	case failover.Closed:
		m.Breaker(e.Provider, metrics.Closed)
	case failover.Tried:
		outcome := metrics.OK
		if e.Failed {
			outcome = e.Kind.String()
		}
		m.Tried(e.Provider, e.Op, outcome, e.Took)
	case failover.Retried, failover.Spared, failover.Skipped, failover.Overloaded, failover.Refusing:
		m.Decided(e.Provider, string(e.Decision))
	}
}
