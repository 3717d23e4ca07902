package app

import (
	"log/slog"

	"patchbay/adapters/failover"
	"patchbay/adapters/httpclient"
	"patchbay/config"
)

// within gives a provider its policy, and lets the log know what it decides.
func within(p config.Provider, log *slog.Logger) failover.Options {
	c := p.Policy
	return failover.Options{
		Policy: failover.Policy{
			Timeout: c.Timeout, Deadline: c.Deadline, Attempts: c.Attempts,
			Backoff: failover.Backoff{Initial: c.Backoff.Initial, Max: c.Backoff.Max}, RetryBudget: c.RetryBudget,
			Breaker: failover.Breaker{
				FailureRate: c.Breaker.FailureRate, MinimumCalls: c.Breaker.MinimumCalls, Window: c.Breaker.Window, Open: c.Breaker.Open,
			},
			Bulkhead: c.Bulkhead,
		},
		Observe: func(e failover.Event) { observe(log, e) },
	}
}

// outbound bounds what is asked of a provider over HTTP. A try ends with its
// policy's time-out; a connection for each call under way is kept.
func outbound(p config.Provider, baseURL string) httpclient.Options {
	return httpclient.Options{BaseURL: baseURL, Timeout: p.Policy.Timeout, MaxConns: p.Policy.Bulkhead}
}

// observe logs what an operator wants to know of: a provider that fails or is
// left alone, and an account that a person must look after.
func observe(log *slog.Logger, e failover.Event) {
	switch e.Decision {
	case failover.Opened:
		log.Warn("provider is left alone", "provider", e.Provider)
	case failover.Probing:
		log.Info("provider is probed", "provider", e.Provider)
	case failover.Closed:
		log.Info("provider is back", "provider", e.Provider)
	case failover.Overloaded, failover.Spared:
		log.Warn("provider is overloaded", "provider", e.Provider, "op", e.Op, "decision", e.Decision)
	case failover.Tried:
		if e.Failed && e.Kind.Rule().Alert {
			log.Error("the account at a provider was refused: look after it", "provider", e.Provider, "op", e.Op, "kind", e.Kind)
		}
	case failover.Retried, failover.Skipped: // for metrics
	}
}
