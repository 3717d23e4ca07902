package stripepay

import (
	"patchbay/core/money"
	"patchbay/core/payment"
)

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
	if o.ID == "" || !minor(o.Currency, &o.Amount) {
		return payment.Intent{}, false
	}
	return payment.Intent{Reference: o.PaymentIntent, Refunds: []payment.ProviderRefund{{
		Reference: o.ID, Intent: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency, Status: o.Status,
		Reason: o.Reason, Failure: o.FailureReason, Metadata: o.Metadata, CreatedAt: instant(o.Created),
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
	if o.ID == "" || !minor(o.Currency, &o.Amount) {
		return payment.Intent{}, false
	}
	moved := make([]int64, len(o.BalanceTransactions))
	for i, t := range o.BalanceTransactions {
		moved[i] = t.Amount
	}
	return payment.Intent{Reference: o.PaymentIntent, Disputed: true, Disputes: []payment.Dispute{{
		Reference: o.ID, Amount: o.Amount, Currency: o.Currency, Reason: o.Reason, Status: o.Status,
		DueBy: instant(o.EvidenceDetails.DueBy), FundsWithdrawn: payment.Withdrawn(moved...), CreatedAt: instant(o.Created),
	}}}, true
}
