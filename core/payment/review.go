package payment

import (
	"slices"
	"time"
)

// Review is something about a payment that only a person can settle: what the
// provider says does not fit, or nobody can tell what became of an operation. It
// stays as history once it is settled.
type Review struct {
	Reason string    `json:"reason"`
	Detail string    `json:"detail,omitempty"` // an operation's id, or an object of the provider's
	At     time.Time `json:"at"`
	// Verdict is what was found, Note what the person saw at the provider, and By which operator
	// it was: "provider" where the provider's own final word settled it.
	SettledAt time.Time `json:"settledAt,omitzero"`
	Verdict   string    `json:"verdict,omitempty"`
	Note      string    `json:"note,omitempty"`
	By        string    `json:"by,omitempty"`
}

// Open reports whether the review has not been settled.
func (r Review) Open() bool { return r.SettledAt.IsZero() }

// The reasons why a payment needs a review.
const (
	ReviewUnknown      = "unknown_outcome" // an operation whose outcome nothing shows; Detail is its id
	ReviewOtherAccount = "other_account"   // the configured name stands for another account now, or an event came from another
	ReviewSecondIntent = "second_intent"   // the provider holds another intent for this payment; Detail is its reference
	ReviewForeign      = "foreign_object"  // the provider made an object of another payment; Detail is its reference
	ReviewAmount       = "amount_mismatch" // the provider's amounts are not the payment's
	ReviewCurrency     = "currency_mismatch"
	ReviewPaid         = "paid_though_canceled" // the buyer has paid what is canceled here; Detail is the provider's reference
)

// ReviewReasons lists them.
func ReviewReasons() []string {
	return []string{ReviewUnknown, ReviewOtherAccount, ReviewSecondIntent, ReviewForeign, ReviewAmount, ReviewCurrency, ReviewPaid}
}

// byProvider settles a review that the provider's own word has answered.
const byProvider = "provider"

// maxReviews bounds what one payment keeps of them.
const maxReviews = 50

// Review marks the payment for a person to look at, and reports whether that is new.
// The same detail is not brought up twice, not even after it was settled: what is
// told again is no news, but of an operation that was asked for again since. now may be
// zero; then Audit dates it.
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

// triedSince reports whether the operation of a review was asked for again after it was
// settled.
func (p *Payment) triedSince(r Review) bool {
	op := p.Operation(r.Detail)
	return op != nil && !r.Open() && op.LastTry().After(r.SettledAt)
}

// Settle closes all that is open with what a person has found.
func (p *Payment) Settle(verdict, note, by string, now time.Time) {
	if p.NeedsReview && !p.reviewed() { // marked by a version that kept no reasons
		p.Reviews = append(p.Reviews, Review{Reason: ReviewUnknown, At: now})
	}
	for i := range p.Reviews {
		if r := &p.Reviews[i]; r.Open() {
			r.SettledAt, r.Verdict, r.Note, r.By = now, verdict, note, by
		}
	}
	p.NeedsReview = false
}

// SettledAs reports whether a person has settled what was open with this verdict and note,
// and nothing needs one since.
func (p *Payment) SettledAs(verdict, note string) bool {
	if p.NeedsReview {
		return false
	}
	return slices.ContainsFunc(p.Reviews, func(r Review) bool { return !r.Open() && r.Verdict == verdict && r.Note == note })
}

// Audit is for whoever stores the payment: it dates what is new in it, cuts short what
// providers say at length, and closes the reviews of unknown outcomes once nothing is
// unknown any more. The provider's own word is proof.
func (p *Payment) Audit(now time.Time) {
	p.Error = p.Error.brief()
	for i := range p.Operations {
		p.Operations[i].Error = p.Operations[i].Error.brief()
	}
	open := p.Open()
	if open != nil && p.NeedsReview && len(p.Reviews) == 0 { // marked by a version that kept no reasons
		p.Review(ReviewUnknown, open.ID, now)
	}
	for i := range p.Reviews {
		r := &p.Reviews[i]
		if r.At.IsZero() {
			r.At = now
		}
		if open == nil && r.Open() && r.Reason == ReviewUnknown {
			r.SettledAt, r.Verdict, r.By = now, string(p.Status), byProvider
			p.NeedsReview = p.reviewed()
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

// reviewed reports whether some review is open.
func (p *Payment) reviewed() bool {
	for _, r := range p.Reviews {
		if r.Open() {
			return true
		}
	}
	return false
}
