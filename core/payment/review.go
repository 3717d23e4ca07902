package payment

import (
	"slices"
	"time"
)

// Review is something about a payment that only a person can settle: the provider's state
// does not match, or the outcome of an operation cannot be found out. A settled review
// stays as history.
type Review struct {
	Reason string    `json:"reason"`
	Detail string    `json:"detail,omitempty"` // an operation's ID, or a provider's object
	At     time.Time `json:"at"`
	// Verdict is what was found, Note what the person saw at the provider, and By the operator.
	// By is "provider" if the provider's own final state settled the review.
	SettledAt time.Time `json:"settledAt,omitzero"`
	Verdict   string    `json:"verdict,omitempty"`
	Note      string    `json:"note,omitempty"`
	By        string    `json:"by,omitempty"`
}

// Open reports whether the review has not been settled.
func (r Review) Open() bool { return r.SettledAt.IsZero() }

// The reasons why a payment needs a review.
const (
	ReviewUnknown      = "unknown_outcome" // the outcome of an operation cannot be found out; Detail is its ID
	ReviewOtherAccount = "other_account"   // the configured name now means another account, or an event came from another
	ReviewSecondIntent = "second_intent"   // the provider holds another intent for this payment; Detail is its reference
	ReviewForeign      = "foreign_object"  // the provider made an object of another payment; Detail is its reference
	ReviewAmount       = "amount_mismatch" // the provider's amounts differ from the payment's
	ReviewCurrency     = "currency_mismatch"
	ReviewPaid         = "paid_though_canceled" // the buyer has paid a payment that is canceled here; Detail is the provider's reference
)

// ReviewReasons lists the reasons.
func ReviewReasons() []string {
	return []string{ReviewUnknown, ReviewOtherAccount, ReviewSecondIntent, ReviewForeign, ReviewAmount, ReviewCurrency, ReviewPaid}
}

// byProvider is the By of a review that the provider's own state has settled.
const byProvider = "provider"

// maxReviews bounds the reviews of one payment.
const maxReviews = 50

// Review marks the payment for review, and reports whether the review is new. The same reason
// and detail are not added twice, not even after they were settled, unless the operation was
// tried again since. now may be zero; then Audit sets the time.
func (p *Payment) Review(reason, detail string, now time.Time) bool {
	for _, r := range p.Reviews {
		if r.Reason == reason && r.Detail == detail && !p.triedSince(r) {
			return false
		}
	}
	p.NeedsReview = true
	if len(p.Reviews) >= maxReviews {
		return false
	}
	p.Reviews = append(p.Reviews, Review{Reason: reason, Detail: detail, At: now})
	return true
}

// triedSince reports whether the operation of a review was tried again after the review was
// settled.
func (p *Payment) triedSince(r Review) bool {
	op := p.Operation(r.Detail)
	return op != nil && !r.Open() && op.LastTry().After(r.SettledAt)
}

// Settle closes all open reviews with a person's verdict.
func (p *Payment) Settle(verdict, note, by string, now time.Time) {
	if p.NeedsReview && !p.hasOpenReview() { // marked by a version that stored no reasons
		p.Reviews = append(p.Reviews, Review{Reason: ReviewUnknown, At: now})
	}
	for i := range p.Reviews {
		if r := &p.Reviews[i]; r.Open() {
			r.SettledAt, r.Verdict, r.Note, r.By = now, verdict, note, by
		}
	}
	p.NeedsReview = false
}

// SettledAs reports whether a review was settled with this verdict and note, and none has
// been opened since.
func (p *Payment) SettledAs(verdict, note string) bool {
	if p.NeedsReview {
		return false
	}
	return slices.ContainsFunc(p.Reviews, func(r Review) bool { return !r.Open() && r.Verdict == verdict && r.Note == note })
}

// Audit must be called before the payment is stored. It sets missing times, cuts long texts
// of providers, and closes the reviews of unknown outcomes once no operation is open. The
// provider's own state is proof.
func (p *Payment) Audit(now time.Time) {
	p.Error = p.Error.truncated()
	for i := range p.Operations {
		p.Operations[i].Error = p.Operations[i].Error.truncated()
	}
	open := p.Open()
	if open != nil && p.NeedsReview && len(p.Reviews) == 0 { // marked by a version that stored no reasons
		p.Review(ReviewUnknown, open.ID, now)
	}
	for i := range p.Reviews {
		r := &p.Reviews[i]
		if r.At.IsZero() {
			r.At = now
		}
		if open == nil && r.Open() && r.Reason == ReviewUnknown {
			r.SettledAt, r.Verdict, r.By = now, string(p.Status), byProvider
			p.NeedsReview = p.hasOpenReview()
		}
	}
	for i := range p.Refunds {
		if r := &p.Refunds[i]; r.UpdatedAt.IsZero() {
			r.UpdatedAt = now
		}
	}
	for i := range p.Disputes {
		if d := &p.Disputes[i]; d.UpdatedAt.IsZero() {
			d.UpdatedAt = now
		}
	}
}

// hasOpenReview reports whether a review is open.
func (p *Payment) hasOpenReview() bool {
	return slices.ContainsFunc(p.Reviews, Review.Open)
}
