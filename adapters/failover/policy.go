// Package failover stands between the core and each provider: it bounds a call,
// repeats it where that is safe, leaves a provider alone that keeps failing, and
// says beforehand whether it does. It is an adapter of the same ports as what it
// decorates, and passes the same suites.
//
// Which provider comes next is the core's to decide, since the decision must be
// on disk before the next call. What is decided here is told in an Event.
package failover

import (
	"time"

	"patchbay/core/fault"
)

// Policy bounds the calls of one provider.
type Policy struct {
	Timeout     time.Duration // of one try
	Deadline    time.Duration // of all tries and the waits between them
	Attempts    int           // tries in all
	Backoff     Backoff
	RetryBudget int // retries in percent of the calls under way; three are always allowed
	Breaker     Breaker
	Bulkhead    int // calls under way at once
}

// Backoff is the wait between tries: a random part of what doubles from Initial
// to Max, or what the provider asks for.
type Backoff struct{ Initial, Max time.Duration }

// Breaker says when a provider is left alone: from FailureRate percent of
// failures among at least MinimumCalls in Window, for Open. Where the account
// itself is at fault, ten times as long.
type Breaker struct {
	FailureRate  int
	MinimumCalls int
	Window       time.Duration
	Open         time.Duration
}

// Default is the policy where nothing is configured.
var Default = Policy{
	Timeout: 10 * time.Second, Deadline: 30 * time.Second, Attempts: 3,
	Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 5 * time.Second}, RetryBudget: 20,
	Breaker:  Breaker{FailureRate: 50, MinimumCalls: 10, Window: 30 * time.Second, Open: 30 * time.Second},
	Bulkhead: 256,
}

const (
	// alertFactor is how much longer a provider is left alone whose account is at
	// fault: that takes a person.
	alertFactor = 10
	// Of so many probes after that time, so many must succeed.
	probes, probesGood = 3, 2
	// bulkheadWait is how long a call may wait for others to end.
	bulkheadWait = 100 * time.Millisecond
	// refusedInARow is after how many refusals without a success, each about its own
	// request, a person is told.
	refusedInARow = 20
)

// DefaultStorage is the policy of a store where nothing is configured: shorter, so
// that what stands in for it does so in time, and closed again once it answers.
var DefaultStorage = Policy{
	Timeout: 2500 * time.Millisecond, Deadline: 3 * time.Second, Attempts: 2,
	Backoff: Backoff{Initial: 50 * time.Millisecond, Max: 500 * time.Millisecond}, RetryBudget: 20,
	Breaker:  Breaker{FailureRate: 50, MinimumCalls: 10, Window: 10 * time.Second, Open: 2 * time.Second},
	Bulkhead: 256,
}

// Decision is what was decided about a call.
type Decision string

// The decisions.
const (
	Tried      Decision = "tried"      // a try has ended, with this Kind if it failed
	Retried    Decision = "retried"    // it is tried again after Wait
	Spared     Decision = "spared"     // it is not tried again: too many retries are under way
	Skipped    Decision = "skipped"    // not called: the breaker is open
	Overloaded Decision = "overloaded" // not called: too many calls are under way
	Refusing   Decision = "refusing"   // so many requests in a row were refused that a person should look
	Opened     Decision = "opened"     // the breaker
	Probing    Decision = "probing"    // the breaker lets a few calls through
	Closed     Decision = "closed"     // the breaker
)

// Event tells of a decision, for logs and metrics.
type Event struct {
	Provider string
	Op       string // create, capture, send …; empty where the decision is about none
	Decision Decision
	Failed   bool
	Kind     fault.Kind    // where Failed
	Err      error         // where Failed; of Opened, what the provider failed with last, nil where that is not known
	Counts   bool          // the failure is held against the provider
	Attempt  int           // from 1
	Took     time.Duration // the try
	Wait     time.Duration // before the next
}

// Options is what decorates one provider. Observe may be nil; it must not block.
type Options struct {
	Policy  Policy
	Observe func(Event)
}
