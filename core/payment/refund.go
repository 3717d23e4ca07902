package payment

import (
	"cmp"
	"slices"
	"time"

	"patchbay/core/money"
)

// RefundStatus is the status of a refund at the provider, as Stripe names it.
type RefundStatus string

// The statuses of a refund. An unlisted status counts as pending.
const (
	RefundPending        RefundStatus = "pending"
	RefundRequiresAction RefundStatus = "requires_action"
	RefundSucceeded      RefundStatus = "succeeded"
	RefundFailed         RefundStatus = "failed"
	RefundCanceled       RefundStatus = "canceled"
)

// rank orders the statuses. A refund that succeeded may still fail, and a refund that failed
// never succeeds later. A status of a lower rank is late.
func (s RefundStatus) rank() int {
	switch s {
	case RefundSucceeded:
		return 1
	case RefundFailed, RefundCanceled:
		return 2
	case RefundPending, RefundRequiresAction:
	}
	return 0
}

// Final reports whether no further change is expected. A refund that succeeded may still
// fail later.
func (s RefundStatus) Final() bool { return s.rank() > 0 }

// Returned reports whether the money did not reach the buyer, or was returned.
func (s RefundStatus) Returned() bool { return s.rank() == 2 }

// RefundEntry is a refund as the provider holds it, no matter who requested it.
type RefundEntry struct {
	Reference string       `json:"reference"`           // re_…, pyr_…
	Operation string       `json:"operation,omitempty"` // our operation that requested it
	Amount    int64        `json:"amount"`
	Status    RefundStatus `json:"status"`
	Reason    string       `json:"reason,omitempty"`
	Failure   string       `json:"failure,omitempty"` // the provider's code for why it failed
	// Released means that this is the part of the authorisation that was not captured, for
	// which the provider makes a refund. It was never captured, so it is not refunded.
	Released  bool      `json:"released,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// expiredReason is Stripe's reason for the refund of an authorisation that was never captured.
const expiredReason = "expired_uncaptured_charge"

// MergeRefund merges a refund that the provider has reported, from any source and however late,
// and ends the operation that requested it. Merging it again changes nothing.
func (p *Payment) MergeRefund(r ProviderRefund) {
	if r.Reference == "" {
		return
	}
	p.addLegacyRefunds()
	before := p.refundedSum()
	unlisted := p.AmountRefunded - before
	entry := p.upsertRefund(r)
	if op := p.refundOf(r); op != nil {
		entry.Operation, op.Reference = op.ID, r.Reference
		op.refunded(entry)
	}
	switch given := p.refundedSum(); {
	case given > before && r.Total > 0:
		p.AmountRefunded = max(p.AmountRefunded, r.Total, given)
	case given > before && unlisted >= given-before: // the total includes it already
	default:
		p.AmountRefunded = max(p.AmountRefunded+given-before, given)
	}
}

// MergeRefunds merges all refunds that the provider holds, oldest first, with the present
// intent. After that the refunded amount is known.
func (p *Payment) MergeRefunds(all []ProviderRefund, i Intent) {
	for _, r := range all {
		p.MergeRefund(r)
	}
	p.markReleased(i.AmountRefunded)
	p.AmountRefunded = p.refundedSum()
}

// RefundsComplete reports whether the known refunds add up to the refunded amount.
func (p *Payment) RefundsComplete() bool {
	q := *p
	q.Refunds = slices.Clone(p.Refunds)
	q.addLegacyRefunds()
	return q.refundedSum() == q.AmountRefunded
}

// EndRefund ends a refund operation with the refund that the provider holds, and counts it.
func (p *Payment) EndRefund(op *Operation, r ProviderRefund) {
	op.Reference = r.Reference
	r.Amount = cmp.Or(r.Amount, op.Amount)
	p.MergeRefund(r)
}

// upsertRefund adds a refund to the payment, or updates the entry that exists.
func (p *Payment) upsertRefund(r ProviderRefund) *RefundEntry {
	status := RefundStatus(r.Status)
	if known := p.FindRefund(r.Reference); known != nil {
		if status != known.Status && status.rank() >= known.Status.rank() && !known.Status.Returned() {
			known.Status, known.Failure, known.UpdatedAt = status, r.Failure, time.Time{}
		}
		known.Reason = cmp.Or(known.Reason, r.Reason)
		if r.Amount > 0 {
			known.Amount = r.Amount
		}
		return known
	}
	p.Refunds = append(p.Refunds, RefundEntry{
		Reference: r.Reference, Amount: r.Amount, Status: status, Reason: r.Reason, Failure: r.Failure,
		Released: r.Reason == expiredReason, CreatedAt: r.CreatedAt,
	})
	return &p.Refunds[len(p.Refunds)-1]
}

// refundOf returns the operation that requested a refund, nil if it is not ours.
func (p *Payment) refundOf(r ProviderRefund) *Operation {
	key := r.Metadata[MetaOperation]
	return find(p.Operations, func(op *Operation) bool {
		return op.Action == Refund && (op.Reference == r.Reference || key != "" && op.ProviderKey == key)
	})
}

// refunded sets the outcome of a refund operation from its status at the provider, also when
// that status changes later. The refund was made, so the request was not refused, and it has
// no Kind.
func (op *Operation) refunded(r *RefundEntry) {
	outcome, failure := Pending, (*Failure)(nil)
	switch {
	case r.Status.Returned():
		outcome = NotExecuted
		failure = &Failure{Code: "refund_" + string(r.Status), Message: "the provider could not complete the refund"}
	case r.Status.Final():
		outcome = Done
	}
	if op.Outcome != outcome {
		op.end(outcome, "", failure)
	}
}

// addLegacyRefunds adds the refunds that are known only from their operations: an earlier
// version did not store refunds separately.
func (p *Payment) addLegacyRefunds() {
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Action != Refund || op.Reference == "" || op.Outcome.Open() || p.FindRefund(op.Reference) != nil {
			continue
		}
		status := map[Outcome]RefundStatus{Done: RefundSucceeded, Pending: RefundPending, NotExecuted: RefundFailed}[op.Outcome]
		p.Refunds = append(p.Refunds, RefundEntry{
			Reference: op.Reference, Operation: op.ID, Amount: op.Amount, Status: status, CreatedAt: op.StartedAt,
		})
	}
}

// FindRefund returns the refund with this reference, nil if there is none.
func (p *Payment) FindRefund(reference string) *RefundEntry {
	return find(p.Refunds, func(r *RefundEntry) bool { return r.Reference == reference })
}

// refundedSum returns the sum of the known refunds that are completed or in progress.
func (p *Payment) refundedSum() (sum int64) {
	for _, r := range p.Refunds {
		if !r.Released && !r.Status.Returned() {
			sum += r.Amount
		}
	}
	return sum
}

// markReleased finds the refund that is the released part of the authorisation after a capture. It
// is the first refund of that amount that was not requested here, since nothing can be
// refunded before the capture. total is the refunded amount that the provider counts. If the
// refunds add up to exactly that, none of them is a release.
func (p *Payment) markReleased(total int64) {
	rest := p.Amount - p.AmountCaptured
	if rest <= 0 || !p.Status.Terminal() {
		return
	}
	for i := range p.Refunds {
		r := &p.Refunds[i]
		switch {
		case r.Operation != "" || r.Reason == expiredReason:
		case p.AmountCaptured == 0:
			r.Released = true
		case r.Amount == rest:
			if r.Released = false; p.refundedSum() == total {
				return
			}
			r.Released = true
			return
		}
	}
}

// Refundable returns what can still be refunded: never more than the amount of the payment,
// no matter what the provider says it has captured, and nothing after a currency mismatch.
func (p *Payment) Refundable() int64 {
	taken := p.AmountCaptured
	if p.Amount > 0 {
		taken = min(taken, p.Amount)
	}
	if slices.ContainsFunc(p.Reviews, func(r Review) bool { return r.Reason == ReviewCurrency }) {
		return 0
	}
	return taken - p.AmountRefunded
}

// Dispute is a buyer's objection to a charge, as the provider holds it.
type Dispute struct {
	Reference string         `json:"reference"` // dp_…, du_…
	Amount    int64          `json:"amount"`
	Currency  money.Currency `json:"currency"`
	Reason    string         `json:"reason,omitempty"`
	// Status is Stripe's: warning_needs_response, warning_under_review, warning_closed,
	// needs_response, under_review, won or lost.
	Status string `json:"status"`
	// DueBy is until when evidence is accepted, zero if none is.
	DueBy          time.Time `json:"dueBy,omitzero"`
	FundsWithdrawn bool      `json:"fundsWithdrawn"`
	CreatedAt      time.Time `json:"createdAt,omitzero"`
	UpdatedAt      time.Time `json:"updatedAt,omitzero"`
}

// stages orders the statuses in time. An inquiry may become a dispute. The position of a
// status that is not listed is not known.
var stages = map[string]int{
	"warning_needs_response": 1, "warning_under_review": 2, "warning_closed": 3,
	"needs_response": 4, "under_review": 5, "won": 6, "lost": 6,
}

// Closed reports whether no further change of the dispute is expected.
func (d Dispute) Closed() bool {
	return d.Status == "won" || d.Status == "lost" || d.Status == "warning_closed"
}

// mergeDispute merges a dispute from an event. It reports whether the event may be stale:
// only the provider can say which of two statuses of the same stage is later.
func (p *Payment) mergeDispute(d Dispute) (stale bool) {
	known := p.FindDispute(d.Reference)
	if known == nil {
		p.Disputes = append(p.Disputes, d)
		return false
	}
	was, is := stages[known.Status], stages[d.Status]
	switch {
	case known.equal(d):
	case was == 0 || is == 0 || was == is:
		return true
	case is > was:
		known.update(d)
	}
	return false
}

// MergeDisputes merges all disputes as the provider holds them now.
func (p *Payment) MergeDisputes(all []Dispute) {
	for _, d := range all {
		if known := p.FindDispute(d.Reference); known == nil {
			p.Disputes = append(p.Disputes, d)
		} else if !known.equal(d) {
			known.update(d)
		}
	}
}

// FindDispute returns the dispute with this reference, nil if there is none.
func (p *Payment) FindDispute(reference string) *Dispute {
	return find(p.Disputes, func(d *Dispute) bool { return d.Reference == reference })
}

func (d *Dispute) update(news Dispute) {
	created := d.CreatedAt
	if *d = news; news.CreatedAt.IsZero() {
		d.CreatedAt = created
	}
	d.UpdatedAt = time.Time{}
}

func (d *Dispute) equal(news Dispute) bool {
	return d.Amount == news.Amount && d.Currency == news.Currency && d.Reason == news.Reason && d.Status == news.Status &&
		d.DueBy.Equal(news.DueBy) && d.FundsWithdrawn == news.FundsWithdrawn
}

// Withdrawn reports whether the disputed funds have been withdrawn. moved are the amounts
// that moved on the account for the dispute: a withdrawal is negative, a return is not.
func Withdrawn(moved ...int64) bool {
	out := 0
	for _, amount := range moved {
		if amount < 0 {
			out++
		} else {
			out--
		}
	}
	return out > 0
}
