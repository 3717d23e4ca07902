package stripepay

import (
	"encoding/json"
	"strings"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// intentObject is the part of Stripe's PaymentIntent that is used here.
type intentObject struct {
	ID               string            `json:"id"`
	Status           payment.Status    `json:"status"`
	Amount           int64             `json:"amount"`
	AmountReceived   int64             `json:"amount_received"`
	AmountCapturable int64             `json:"amount_capturable"`
	Currency         money.Currency    `json:"currency"`
	ClientSecret     string            `json:"client_secret"`
	Metadata         map[string]string `json:"metadata"`
	LastPaymentError *struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code"`
		Message     string `json:"message"`
	} `json:"last_payment_error"`
	NextAction *struct {
		Type          string `json:"type"`
		RedirectToURL struct {
			URL string `json:"url"`
		} `json:"redirect_to_url"`
	} `json:"next_action"`
}

// chargeObject is the part of Stripe's Charge that is used here.
type chargeObject struct {
	PaymentIntent  string            `json:"payment_intent"`
	Amount         int64             `json:"amount"`
	AmountCaptured int64             `json:"amount_captured"`
	AmountRefunded int64             `json:"amount_refunded"`
	Currency       money.Currency    `json:"currency"`
	Metadata       map[string]string `json:"metadata"`
}

// Payment implements ports.PaymentReader for the events payment_intent.*, charge.refunded,
// and those of refunds and disputes. Events about a charge without an intent are not ours.
func (h *Hook) Payment(e webhook.Event) (payment.Intent, bool, error) {
	i, ok, err := read(e)
	i.Key = e.Key
	return i, ok, err
}

func read(e webhook.Event) (payment.Intent, bool, error) {
	// ok is false if the object is not valid.
	var o interface {
		intent() (i payment.Intent, ok bool)
	}
	switch {
	case strings.HasPrefix(e.Type, "payment_intent."):
		o = new(intentObject)
	case e.Type == "charge.refunded":
		o = new(chargeObject)
	case strings.HasPrefix(e.Type, "refund."), strings.HasPrefix(e.Type, "charge.refund."):
		o = new(refundObject)
	case strings.HasPrefix(e.Type, "charge.dispute."):
		o = new(disputeObject)
	default:
		return payment.Intent{}, false, nil
	}
	if err := json.Unmarshal(e.Object, o); err == nil {
		if i, ok := o.intent(); ok {
			return i, i.Reference != "", nil
		}
	}
	return payment.Intent{}, false, fault.New(fault.Invalid, "invalid_payload", "the object of a "+e.Type+" event cannot be read")
}

// intent converts the object.
func (o *intentObject) intent() (i payment.Intent, ok bool) {
	if o.ID == "" || !minor(o.Currency, &o.Amount, &o.AmountCapturable, &o.AmountReceived) {
		return payment.Intent{}, false
	}
	i = payment.Intent{
		Reference: o.ID, Status: o.Status, Amount: o.Amount, Currency: o.Currency,
		AmountCapturable: o.AmountCapturable, AmountCaptured: o.AmountReceived,
		ClientSecret: o.ClientSecret, Metadata: o.Metadata,
	}
	if f := o.LastPaymentError; f != nil {
		i.Failure = &payment.Failure{Code: f.Code, DeclineCode: f.DeclineCode, Message: f.Message}
	}
	if n := o.NextAction; n != nil {
		i.NextAction = &payment.NextAction{Type: n.Type, URL: n.RedirectToURL.URL}
	}
	return i, true
}

// intent returns what a charge says about its intent. A charge may have been created
// without one.
func (o *chargeObject) intent() (i payment.Intent, ok bool) {
	if o.PaymentIntent == "" {
		return payment.Intent{}, true
	}
	if !minor(o.Currency, &o.Amount, &o.AmountCaptured, &o.AmountRefunded) {
		return payment.Intent{}, false
	}
	return payment.Intent{
		Reference: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency,
		AmountCaptured: o.AmountCaptured,
		AmountRefunded: payment.GivenBack(o.Amount, o.AmountCaptured, o.AmountRefunded), Metadata: o.Metadata,
	}, true
}
