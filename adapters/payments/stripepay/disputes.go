package stripepay

import (
	"context"
	"slices"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// Disputes implements ports.PaymentGateway. Stripe lists the newest first.
func (g *Gateway) Disputes(ctx context.Context, reference string) ([]payment.Dispute, error) {
	c := g.begin(ctx, "disputes")
	p := &stripe.DisputeListParams{PaymentIntent: stripe.String(reference)}
	p.Context, p.Limit = c.ctx, stripe.Int64(100)
	var all []payment.Dispute
	list := g.api.Disputes.List(p)
	for list.Next() {
		d := list.Dispute()
		one, ok := disputeOf(d)
		if !ok {
			return nil, c.odd(d != nil && d.ID != "")
		}
		all = append(all, one)
	}
	if err := list.Err(); err != nil {
		return nil, c.failure(err)
	}
	if list.Meta().URL == "" { // otherwise a response that is not a list would look like an empty one
		return nil, c.unreadable()
	}
	slices.Reverse(all)
	return all, nil
}

// disputeOf converts a dispute. ok is false if the object is not a valid dispute.
func disputeOf(d *stripe.Dispute) (out payment.Dispute, ok bool) {
	if d == nil || d.ID == "" || d.Object != "dispute" {
		return payment.Dispute{}, false
	}
	amount := d.Amount
	if !minor(d.Currency, &amount) {
		return payment.Dispute{}, false
	}
	out = payment.Dispute{
		Reference: d.ID, Amount: amount, Currency: money.Currency(d.Currency), Reason: string(d.Reason),
		Status: string(d.Status), CreatedAt: instant(d.Created),
	}
	if e := d.EvidenceDetails; e != nil {
		out.DueBy = instant(e.DueBy)
	}
	moved := make([]int64, 0, len(d.BalanceTransactions))
	for _, t := range d.BalanceTransactions {
		moved = append(moved, t.Amount)
	}
	out.FundsWithdrawn = payment.Withdrawn(moved...)
	return out, true
}
