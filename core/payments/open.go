package payments

import (
	"time"

	"patchbay/core/payment"
	"patchbay/ports"
)

// The flags of the payments' records.
const (
	flagUnknown = "unknown" // the outcome of an operation is unknown
	flagReview  = "review"  // the payment needs a review
	flagBoth    = "unknown_review"
)

// flagOf returns the flag under which a payment is counted, and since when it applies. If
// both flags apply, the time is that of the unknown outcome.
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

// UnknownSets returns the sets of payments with an operation whose outcome is unknown.
func UnknownSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagUnknown}, {Kind: kind, Flag: flagBoth}}
}

// ReviewSets returns the sets of payments that need a review.
func ReviewSets() []ports.Set {
	return []ports.Set{{Kind: kind, Flag: flagReview}, {Kind: kind, Flag: flagBoth}}
}

// Queues lists the queues of payments.
func (s *Service) Queues() []string { return append(s.queues.Queues(), restQueue) }
