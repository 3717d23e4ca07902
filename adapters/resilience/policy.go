// Package resilience stands between the core and each provider. It bounds a call, retries
// it if that is safe, stops calling a provider that keeps failing, and reports beforehand
// whether a provider is available. It is an adapter of the same ports as the provider it
// decorates, and passes the same test suites.
//
// The core decides which provider is tried next, because the decision must be on disk
// before the next call. The decisions made here are reported as an Event.
package resilience

import (
	"time"

	"patchbay/core/fault"
)

// Policy bounds the calls of one provider.
type Policy struct {
	Timeout     time.Duration // of one attempt
	Deadline    time.Duration // of all attempts and the waits between them
	Attempts    int           // attempts in total
	Backoff     Backoff
	RetryBudget int // retries in percent of the calls in progress; three are always allowed
	Breaker     Breaker
	Bulkhead    int // concurrent calls
}

// Backoff is the wait between attempts: a random part of a time that doubles from Initial
// to Max, or the time that the provider asks for.
type Backoff struct{ Initial, Max time.Duration }

// Breaker defines when a provider is not called: it opens at FailureRate percent of
// failures among at least MinimumCalls within Window, and stays open for Open. If the
// account itself is at fault it stays open ten times as long.
type Breaker struct {
	FailureRate  int
	MinimumCalls int
	Window       time.Duration
	Open         time.Duration
}

const (
	// alertFactor is how much longer the breaker stays open if the account is at fault,
	// because a person must fix that.
	alertFactor = 10
	// probes is the number of probes after that time, and probesGood how many must succeed.
	probes, probesGood = 3, 2
	// bulkheadWait is how long a call may wait for others to end.
	bulkheadWait = 100 * time.Millisecond
	// refusedInARow is the number of consecutive refusals, each about its own request,
	// after which a person is alerted.
	refusedInARow = 20
)

// Decision is a decision about a call.
type Decision string

// The decisions.
const (
	Tried      Decision = "tried"      // an attempt has ended, with this Kind if it failed
	Retried    Decision = "retried"    // a retry follows after Wait
	Spared     Decision = "spared"     // not retried: the retry budget is exhausted
	Skipped    Decision = "skipped"    // not called: the breaker is open
	Overloaded Decision = "overloaded" // not called: too many calls are in progress
	Refusing   Decision = "refusing"   // so many consecutive requests were refused that a person should look
	Opened     Decision = "opened"     // the breaker has opened
	Probing    Decision = "probing"    // the breaker lets a few calls through
	Closed     Decision = "closed"     // the breaker has closed
)

// Event reports a decision, for logs and metrics.
type Event struct {
	Provider string
	Op       string // create, capture, send …; empty if the decision is about no operation
	Decision Decision
	Failed   bool
	Kind     fault.Kind    // set if Failed
	Err      error         // set if Failed; for Opened, the provider's last failure, or nil if unknown
	Counts   bool          // the failure counts against the provider
	Attempt  int           // from 1
	Took     time.Duration // duration of the attempt
	Wait     time.Duration // before the next attempt
}

// Options configures the decorator of one provider. Observe may be nil; it must not block.
type Options struct {
	Policy  Policy
	Observe func(Event)
}
