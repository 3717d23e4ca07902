package stripepay

import (
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// intentOf converts an intent. ok is false if the object is not a valid intent. A status
// that Stripe may add later could mean anything, so such an intent counts as processing,
// and is retrieved again.
func (g *Gateway) intentOf(pi *stripe.PaymentIntent) (payment.Intent, bool) {
	if pi == nil || !strings.HasPrefix(pi.ID, "pi_") || pi.Object != "payment_intent" || pi.Amount <= 0 || pi.Status == "" {
		return payment.Intent{}, false
	}
	amount, capturable, received := pi.Amount, pi.AmountCapturable, pi.AmountReceived
	if !toMinor(pi.Currency, &amount, &capturable, &received) {
		return payment.Intent{}, false
	}
	i := payment.Intent{
		Reference: pi.ID, Status: payment.Status(pi.Status), Amount: amount, Currency: money.Currency(pi.Currency),
		AmountCapturable: capturable, AmountCaptured: received,
		ClientSecret: pi.ClientSecret, PublishableKey: g.publishableKey,
		Metadata: pi.Metadata, CreatedAt: timeOf(pi.Created),
	}
	if !i.Status.Known() {
		i.Status = payment.Processing
	}
	if ch := pi.LatestCharge; ch != nil {
		i.AmountRefunded = payment.RefundedToBuyer(ch.Amount, ch.AmountCaptured, ch.AmountRefunded)
		if !toMinor(pi.Currency, &i.AmountRefunded) {
			return payment.Intent{}, false
		}
		i.Disputed = ch.Disputed
	}
	if f := pi.LastPaymentError; f != nil {
		i.Failure = &payment.Failure{Code: string(f.Code), DeclineCode: string(f.DeclineCode), Message: f.Msg}
	}
	if n := pi.NextAction; n != nil {
		i.NextAction = &payment.NextAction{Type: string(n.Type)}
		if n.RedirectToURL != nil {
			i.NextAction.URL = n.RedirectToURL.URL
		}
	}
	return i, true
}

// refundOf converts a refund of an intent. Its id may have any form: re_… for a card, pyr_…
// for a bank. ok is false if the object is not a valid refund, or belongs to another
// intent.
func refundOf(r *stripe.Refund, intent string) (payment.ProviderRefund, bool) {
	if r == nil || r.ID == "" || r.Object != "refund" || r.PaymentIntent != nil && r.PaymentIntent.ID != intent {
		return payment.ProviderRefund{}, false
	}
	amount := r.Amount
	if !toMinor(r.Currency, &amount) {
		return payment.ProviderRefund{}, false
	}
	out := payment.ProviderRefund{
		Reference: r.ID, Intent: intent, Amount: amount, Currency: money.Currency(r.Currency),
		Status: string(r.Status), Reason: string(r.Reason), Failure: string(r.FailureReason),
		Metadata: r.Metadata, CreatedAt: timeOf(r.Created),
	}
	if ch := r.Charge; ch != nil {
		out.Total = payment.RefundedToBuyer(ch.Amount, ch.AmountCaptured, ch.AmountRefunded)
		if !toMinor(r.Currency, &out.Total) {
			out.Total = 0
		}
	}
	return out, true
}

// invalidObject returns the fault for a response with an object that cannot be the requested one. It
// proves nothing. If there is an object with an id, the fault does not count against
// Stripe.
func (c call) invalidObject(named bool) *fault.Error {
	f := c.unreadable()
	f.Blameless = named
	return f
}

// timeOf converts a time of Stripe's, or returns zero if there is none.
func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// refundObject is the part of Stripe's Refund that is used here.
type refundObject struct {
	ID            string            `json:"id"`
	PaymentIntent string            `json:"payment_intent"`
	Amount        int64             `json:"amount"`
	Currency      money.Currency    `json:"currency"`
	Status        string            `json:"status"`
	Reason        string            `json:"reason"`
	FailureReason string            `json:"failure_reason"`
	Metadata      map[string]string `json:"metadata"`
	Created       int64             `json:"created"`
}

// intent returns the intent of the refund, with the refund.
func (o *refundObject) intent() (i payment.Intent, ok bool) {
	if o.ID == "" || !toMinor(o.Currency, &o.Amount) {
		return payment.Intent{}, false
	}
	return payment.Intent{Reference: o.PaymentIntent, Refunds: []payment.ProviderRefund{{
		Reference: o.ID, Intent: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency, Status: o.Status,
		Reason: o.Reason, Failure: o.FailureReason, Metadata: o.Metadata, CreatedAt: timeOf(o.Created),
	}}}, true
}

// disputeObject is the part of Stripe's Dispute that is used here.
type disputeObject struct {
	ID              string         `json:"id"`
	PaymentIntent   string         `json:"payment_intent"`
	Amount          int64          `json:"amount"`
	Currency        money.Currency `json:"currency"`
	Reason          string         `json:"reason"`
	Status          string         `json:"status"`
	Created         int64          `json:"created"`
	EvidenceDetails struct {
		DueBy int64 `json:"due_by"`
	} `json:"evidence_details"`
	BalanceTransactions []struct {
		Amount int64 `json:"amount"`
	} `json:"balance_transactions"`
}

// intent returns the intent of the dispute, with the dispute.
func (o *disputeObject) intent() (i payment.Intent, ok bool) {
	if o.ID == "" || !toMinor(o.Currency, &o.Amount) {
		return payment.Intent{}, false
	}
	moved := make([]int64, len(o.BalanceTransactions))
	for i, t := range o.BalanceTransactions {
		moved[i] = t.Amount
	}
	return payment.Intent{Reference: o.PaymentIntent, Disputed: true, Disputes: []payment.Dispute{{
		Reference: o.ID, Amount: o.Amount, Currency: o.Currency, Reason: o.Reason, Status: o.Status,
		DueBy: timeOf(o.EvidenceDetails.DueBy), FundsWithdrawn: payment.Withdrawn(moved...), CreatedAt: timeOf(o.Created),
	}}}, true
}
