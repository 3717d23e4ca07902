package checkout

import (
	"time"

	"patchbay/core/payment"
	"patchbay/ports"
)

// The flags of payments' records.
const (
	flagUnknown = "unknown" // the outcome of an operation is
	flagReview  = "review"  // a person is needed
	flagBoth    = "unknown_review"
)

// flagOf is what about a payment is counted, and since when. Where it is both, it is since
// the outcome is unknown.
func flagOf(p *payment.Payment) (flag string, since time.Time) {
	for _, r := range p.Reviews {
		if r.Open() && (since.IsZero() || r.At.Before(since)) {
			since = r.At
		}
	}
	op := p.Open()
	switch unknown := op != nil && op.Outcome == payment.Unknown; {
	case unknown && p.NeedsReview:
		return flagBoth, op.StartedAt
	case unknown:
		return flagUnknown, op.StartedAt
	case p.NeedsReview:
		return flagReview, since
	}
	return "", time.Time{}
}

// UnknownSets are the payments of which the outcome of an operation is unknown.
func UnknownSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagUnknown}, {Kind: kind, Flag: flagBoth}}
}

// ReviewSets are the payments that need a person.
func ReviewSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagReview}, {Kind: kind, Flag: flagBoth}}
}

// Queues lists where payments wait.
func (s *Service) Queues() []string { return append(s.queues.Queues(), restQueue) }
