package stripehook

import (
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// refund is the part of Stripe's Refund that is used here.
type refund struct {
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

// domain converts the refund. ok is false if the amount is not valid.
func (o refund) domain() (r payment.ProviderRefund, ok bool) {
	if !minor(o.Currency, &o.Amount) {
		return payment.ProviderRefund{}, false
	}
	return payment.ProviderRefund{
		Reference: o.ID, Intent: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency, Status: o.Status,
		Reason: o.Reason, Failure: o.FailureReason, Metadata: o.Metadata, CreatedAt: instant(o.Created),
	}, true
}

// dispute is the part of Stripe's Dispute that is used here.
type dispute struct {
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

func (o dispute) domain() (d payment.Dispute, ok bool) {
	if !minor(o.Currency, &o.Amount) {
		return payment.Dispute{}, false
	}
	moved := make([]int64, len(o.BalanceTransactions))
	for i, t := range o.BalanceTransactions {
		moved[i] = t.Amount
	}
	return payment.Dispute{
		Reference: o.ID, Amount: o.Amount, Currency: o.Currency, Reason: o.Reason, Status: o.Status,
		DueBy: instant(o.EvidenceDetails.DueBy), FundsWithdrawn: payment.Withdrawn(moved...), CreatedAt: instant(o.Created),
	}, true
}

// instant converts a time of Stripe's, or returns zero if there is none.
func instant(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
