package mockpay

import (
	"maps"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// refundTakes is how long a refund takes that is not completed at once.
const refundTakes = 5 * time.Second

// turn is a later change of a refund's status.
type turn struct {
	Refund int // index into the intent's refunds
	At     time.Time
	Status string
}

// elapse applies the changes that are due by now.
func (i *intent) elapse(now time.Time) {
	var left []turn
	for _, t := range i.Later {
		if t.At.After(now) {
			left = append(left, t)
			continue
		}
		i.turn(t)
	}
	i.Later = left
}

func (i *intent) turn(t turn) {
	r := &i.Refunds[t.Refund]
	r.Status = t.Status
	if t.Status == "failed" {
		r.Failure = "expired_or_canceled_card"
		i.AmountRefunded -= r.Amount
	}
}

// given returns the number of refunds that have reached the buyer, or are about to.
func (i *intent) given() (count int) {
	for _, r := range i.Refunds {
		if r.Status != "failed" {
			count++
		}
	}
	return count
}

// refund refunds an amount. It returns Conflict or Invalid.
func (i *intent) refund(reference string, now time.Time, r payment.RefundRequest) error {
	left := i.AmountCaptured - i.AmountRefunded
	switch {
	case i.AmountCaptured == 0:
		return i.unexpected(payment.Refund)
	case r.Amount <= 0:
		return notPositive()
	case r.Amount > left:
		return tooLarge(left, i.Currency)
	}
	if err := money.CheckStep(r.Amount, i.Currency); err != nil {
		return err
	}
	if err := checkMetadata(r.Metadata); err != nil {
		return err
	}
	i.AmountRefunded += r.Amount
	made := payment.ProviderRefund{
		Reference: reference, Intent: i.Reference, Amount: r.Amount, Currency: i.Currency,
		Status: "succeeded", Metadata: maps.Clone(r.Metadata), CreatedAt: now, Total: i.AmountRefunded,
	}
	c, _ := cardOf(i.PaymentMethod) // it was charged, so the card is known
	if c.refund == "succeeded" {
		made.Status = "pending"
	}
	i.Refunds = append(i.Refunds, made)
	i.tell("charge.refunded")
	if c.refund != "" {
		t := turn{Refund: len(i.Refunds) - 1, At: now.Add(refundTakes), Status: c.refund}
		i.Later = append(i.Later, t)
		made.Status = t.Status
		if t.Status == "failed" {
			made.Failure = "expired_or_canceled_card"
		}
		i.tellOf("charge.refund.updated", stripeRefundOf(i, made), t.At)
	}
	return nil
}

// release releases the part of an authorisation that is not captured. Stripe creates a
// refund of its own for that.
func (i *intent) release(amount int64, now time.Time) {
	if amount > 0 {
		i.Released = &payment.ProviderRefund{
			Reference: "re_mock_release_" + i.Reference, Intent: i.Reference, Amount: amount, Currency: i.Currency,
			Status: "succeeded", CreatedAt: now,
		}
	}
}

// dispute opens the dispute that the buyers of some cards open as soon as they have paid.
func (i *intent) dispute(now time.Time) {
	c, _ := cardOf(i.PaymentMethod)
	if c.dispute == "" {
		return
	}
	final := c.dispute == "won" || c.dispute == "lost"
	d := payment.Dispute{
		Reference: "dp_mock_" + i.Reference, Amount: i.AmountCaptured, Currency: i.Currency, Reason: c.reason,
		Status: c.dispute, DueBy: now.Add(7 * 24 * time.Hour).Truncate(time.Second), FundsWithdrawn: c.dispute != "warning_needs_response",
		CreatedAt: now.Truncate(time.Second),
	}
	if final {
		d.Status = "needs_response"
	}
	i.Disputed = true
	i.tellOf("charge.dispute.created", stripeDisputeOf(i, d), time.Time{})
	if final {
		d.Status, d.FundsWithdrawn = c.dispute, c.dispute == "lost"
		i.tellOf("charge.dispute.closed", stripeDisputeOf(i, d), time.Time{})
	}
	i.Disputes = append(i.Disputes, d)
}

// The objects of Stripe's API, with the fields that are read here.
type (
	stripeRefund struct {
		ID            string            `json:"id"`
		Object        string            `json:"object"`
		Amount        int64             `json:"amount"`
		Charge        string            `json:"charge"`
		Created       int64             `json:"created"`
		Currency      string            `json:"currency"`
		FailureReason string            `json:"failure_reason,omitempty"`
		Metadata      map[string]string `json:"metadata"`
		PaymentIntent string            `json:"payment_intent"`
		Status        string            `json:"status"`
	}
	stripeDispute struct {
		ID                  string           `json:"id"`
		Object              string           `json:"object"`
		Amount              int64            `json:"amount"`
		BalanceTransactions []stripeMovement `json:"balance_transactions"`
		Charge              string           `json:"charge"`
		Created             int64            `json:"created"`
		Currency            string           `json:"currency"`
		EvidenceDetails     struct {
			DueBy int64 `json:"due_by"`
		} `json:"evidence_details"`
		PaymentIntent string `json:"payment_intent"`
		Reason        string `json:"reason"`
		Status        string `json:"status"`
	}
	stripeMovement struct {
		Amount int64 `json:"amount"`
	}
)

func stripeRefundOf(i *intent, r payment.ProviderRefund) stripeRefund {
	return stripeRefund{
		ID: r.Reference, Object: "refund", Amount: i.stripes(r.Amount), Charge: i.chargeID(), Created: r.CreatedAt.Unix(),
		Currency: string(i.Currency), FailureReason: r.Failure, Metadata: metadata(r.Metadata), PaymentIntent: i.Reference, Status: r.Status,
	}
}

func stripeDisputeOf(i *intent, d payment.Dispute) stripeDispute {
	o := stripeDispute{
		ID: d.Reference, Object: "dispute", Amount: i.stripes(d.Amount), BalanceTransactions: []stripeMovement{}, Charge: i.chargeID(),
		Created: d.CreatedAt.Unix(), Currency: string(i.Currency), PaymentIntent: i.Reference, Reason: d.Reason, Status: d.Status,
	}
	o.EvidenceDetails.DueBy = d.DueBy.Unix()
	if d.FundsWithdrawn || d.Status == "won" {
		o.BalanceTransactions = append(o.BalanceTransactions, stripeMovement{-o.Amount})
	}
	if d.Status == "won" {
		o.BalanceTransactions = append(o.BalanceTransactions, stripeMovement{o.Amount})
	}
	return o
}
