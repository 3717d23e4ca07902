// Package defaultpolicy gives tests of adapters the default policies of the configuration.
package defaultpolicy

import (
	"patchbay/adapters/resilience"
	"patchbay/config"
)

// Provider returns the policy of a payment or mail provider.
func Provider() resilience.Policy { return of(config.StandardPolicy()) }

// Store returns the policy of a database server.
func Store() resilience.Policy { return of(config.StandardStoragePolicy()) }

func of(c config.Policy) resilience.Policy {
	return resilience.Policy{
		Timeout: c.Timeout, Deadline: c.Deadline, Attempts: c.Attempts,
		Backoff: resilience.Backoff(c.Backoff), RetryBudget: c.RetryBudget, Breaker: resilience.Breaker(c.Breaker), Bulkhead: c.Bulkhead,
	}
}
