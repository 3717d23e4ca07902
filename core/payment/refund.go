package payment

import "time"

// RefundStatus is how a refund stands at the provider, in Stripe's words.
type RefundStatus string

// The statuses of a refund. One that is none of them counts as pending.
const (
	RefundPending        RefundStatus = "pending"
	RefundRequiresAction RefundStatus = "requires_action"
	RefundSucceeded      RefundStatus = "succeeded"
	RefundFailed         RefundStatus = "failed"
	RefundCanceled       RefundStatus = "canceled"
)

// rank orders them: a refund that went through may still come back, and what came
// back is never given again by the same refund. News of a lower rank is late.
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

// Settled reports whether the provider has nothing more to tell of it, as far as one
// can know: money that was given back may still return.
func (s RefundStatus) Settled() bool { return s.rank() > 0 }

// Returned reports whether the money did not reach the buyer, or came back.
func (s RefundStatus) Returned() bool { return s.rank() == 2 }

// RefundEntry is money given back, as the provider holds it, whoever asked for it.
type RefundEntry struct {
	Reference string       `json:"reference"`           // re_…, pyr_…
	Operation string       `json:"operation,omitempty"` // ours, by which it was asked for
	Amount    int64        `json:"amount"`
	Status    RefundStatus `json:"status"`
	Reason    string       `json:"reason,omitempty"`
	Failure   string       `json:"failure,omitempty"` // the provider's code for why it failed
	// Released tells that it is what a capture has left of the authorisation, for
	// which the provider makes a refund: it was never taken, so it is not given back.
	Released  bool      `json:"released,omitempty"`
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// expired is Stripe's reason for the refund of what was authorised and never taken.
const expired = "expired_uncaptured_charge"

// TakeRefund takes in a refund as its provider tells of it, whoever brings it and
// however late, and ends the operation that asked for it. Once more changes nothing.
func (p *Payment) TakeRefund(r ProviderRefund) {
	if r.Reference == "" {
		return
	}
	p.recallRefunds()
	before := p.given()
	unlisted := p.AmountRefunded - before
	entry := p.enter(r)
	if op := p.refundOf(r); op != nil {
		entry.Operation, op.Reference = op.ID, r.Reference
		op.refunded(entry)
	}
	switch given := p.given(); {
	case given > before && r.Total > 0:
		p.AmountRefunded = max(p.AmountRefunded, r.Total, given)
	case given > before && unlisted >= given-before: // the total had it already
	default:
		p.AmountRefunded = max(p.AmountRefunded+given-before, given)
	}
}

// TakeRefunds takes in all refunds that the provider holds, the oldest first, with
// the intent as it is now: what was given back is known then.
func (p *Payment) TakeRefunds(all []ProviderRefund, i Intent) {
	for _, r := range all {
		p.TakeRefund(r)
	}
	p.release(i.AmountRefunded)
	p.AmountRefunded = p.given()
}

// Listed reports whether the refunds that are known make up what was given back.
func (p *Payment) Listed() bool {
	q := *p
	q.Refunds = append([]RefundEntry(nil), p.Refunds...)
	q.recallRefunds()
	return q.given() == q.AmountRefunded
}

// SettleRefund ends a refund of ours with what the provider holds, and counts it.
func (p *Payment) SettleRefund(op *Operation, r ProviderRefund) {
	op.Reference = r.Reference
	if r.Amount == 0 {
		r.Amount = op.Amount
	}
	p.TakeRefund(r)
}

// enter puts a refund into the payment, or brings the one there up to date.
func (p *Payment) enter(r ProviderRefund) *RefundEntry {
	status := RefundStatus(r.Status)
	for i := range p.Refunds {
		known := &p.Refunds[i]
		if known.Reference != r.Reference {
			continue
		}
		if status != known.Status && status.rank() >= known.Status.rank() && !known.Status.Returned() {
			known.Status, known.Failure, known.UpdatedAt = status, r.Failure, time.Time{}
		}
		if known.Reason == "" {
			known.Reason = r.Reason
		}
		if r.Amount > 0 {
			known.Amount = r.Amount
		}
		return known
	}
	p.Refunds = append(p.Refunds, RefundEntry{
		Reference: r.Reference, Amount: r.Amount, Status: status, Reason: r.Reason, Failure: r.Failure,
		Released: r.Reason == expired, CreatedAt: r.CreatedAt,
	})
	return &p.Refunds[len(p.Refunds)-1]
}

// refundOf is the operation that asked for a refund, nil for another's.
func (p *Payment) refundOf(r ProviderRefund) *Operation {
	key := r.Metadata[MetaOperation]
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Action == Refund && (op.Reference == r.Reference || key != "" && op.ProviderKey == key) {
			return op
		}
	}
	return nil
}

// refunded ends a refund as it is at the provider, and again where that changes. It
// was made, so it is not a request that was refused: it has no Kind.
func (op *Operation) refunded(r *RefundEntry) {
	outcome, failure := Pending, (*Failure)(nil)
	switch {
	case r.Status.Returned():
		outcome = NotExecuted
		failure = &Failure{Code: "refund_" + string(r.Status), Message: "the provider could not complete the refund"}
	case r.Status.Settled():
		outcome = Done
	}
	if op.Outcome != outcome {
		op.end(outcome, "", failure)
	}
}

// recallRefunds enters the refunds that are known from their operations alone: the
// version before kept no others.
func (p *Payment) recallRefunds() {
	for i := range p.Operations {
		op := &p.Operations[i]
		if op.Action != Refund || op.Reference == "" || op.Outcome.Open() || p.refund(op.Reference) != nil {
			continue
		}
		status := map[Outcome]RefundStatus{Done: RefundSucceeded, Pending: RefundPending, NotExecuted: RefundFailed}[op.Outcome]
		p.Refunds = append(p.Refunds, RefundEntry{
			Reference: op.Reference, Operation: op.ID, Amount: op.Amount, Status: status, CreatedAt: op.StartedAt,
		})
	}
}

func (p *Payment) refund(reference string) *RefundEntry {
	for i := range p.Refunds {
		if p.Refunds[i].Reference == reference {
			return &p.Refunds[i]
		}
	}
	return nil
}

// given is what the refunds that are known have given back, or are about to.
func (p *Payment) given() (sum int64) {
	for _, r := range p.Refunds {
		if !r.Released && !r.Status.Returned() {
			sum += r.Amount
		}
	}
	return sum
}

// release finds what a capture has left of the authorisation among the refunds. It is
// the first that nobody here asked for, of that very amount: nothing can be given back
// before something was taken. total is what was given back in the provider's own count;
// where the refunds come to just that, there is no such among them.
func (p *Payment) release(total int64) {
	rest := p.Amount - p.AmountCaptured
	if rest <= 0 || !p.Status.Terminal() {
		return
	}
	for i := range p.Refunds {
		r := &p.Refunds[i]
		switch {
		case r.Operation != "" || r.Reason == expired:
		case p.AmountCaptured == 0:
			r.Released = true
		case r.Amount == rest:
			if r.Released = false; p.given() == total {
				return
			}
			r.Released = true
			return
		}
	}
}

// Refundable is what can still be given back: nothing beyond what was asked for,
// whatever the provider says it has taken, and nothing in another currency.
func (p *Payment) Refundable() int64 {
	taken := p.AmountCaptured
	if p.Amount > 0 {
		taken = min(taken, p.Amount)
	}
	for _, r := range p.Reviews {
		if r.Reason == ReviewCurrency {
			return 0
		}
	}
	return taken - p.AmountRefunded
}
