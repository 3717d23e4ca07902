package stripehook

import (
	"encoding/json"
	"strings"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
	"patchbay/core/webhook"
)

// intent is the part of Stripe's PaymentIntent that is used here.
type intent struct {
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

// charge is the part of Stripe's Charge that is used here.
type charge struct {
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
	switch {
	case strings.HasPrefix(e.Type, "payment_intent."):
		var o intent
		if err := json.Unmarshal(e.Object, &o); err != nil || o.ID == "" {
			return payment.Intent{}, false, unreadable(e)
		}
		i, ok := o.domain()
		if !ok {
			return payment.Intent{}, false, unreadable(e)
		}
		return i, true, nil
	case e.Type == "charge.refunded":
		var o charge
		if err := json.Unmarshal(e.Object, &o); err != nil {
			return payment.Intent{}, false, unreadable(e)
		}
		// A charge may have been created without an intent; then it is not ours.
		if o.PaymentIntent == "" {
			return payment.Intent{}, false, nil
		}
		i, ok := o.domain()
		if !ok {
			return payment.Intent{}, false, unreadable(e)
		}
		return i, true, nil
	case strings.HasPrefix(e.Type, "refund."), strings.HasPrefix(e.Type, "charge.refund."):
		var o refund
		if err := json.Unmarshal(e.Object, &o); err != nil || o.ID == "" {
			return payment.Intent{}, false, unreadable(e)
		}
		r, ok := o.domain()
		if !ok {
			return payment.Intent{}, false, unreadable(e)
		}
		return payment.Intent{Reference: o.PaymentIntent, Refunds: []payment.ProviderRefund{r}}, o.PaymentIntent != "", nil
	case strings.HasPrefix(e.Type, "charge.dispute."):
		var o dispute
		if err := json.Unmarshal(e.Object, &o); err != nil || o.ID == "" {
			return payment.Intent{}, false, unreadable(e)
		}
		d, ok := o.domain()
		if !ok {
			return payment.Intent{}, false, unreadable(e)
		}
		return payment.Intent{Reference: o.PaymentIntent, Disputed: true, Disputes: []payment.Dispute{d}}, o.PaymentIntent != "", nil
	}
	return payment.Intent{}, false, nil
}

// domain converts the intent. ok is false if an amount is not valid.
func (o intent) domain() (i payment.Intent, ok bool) {
	if !minor(o.Currency, &o.Amount, &o.AmountCapturable, &o.AmountReceived) {
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

func (o charge) domain() (i payment.Intent, ok bool) {
	if !minor(o.Currency, &o.Amount, &o.AmountCaptured, &o.AmountRefunded) {
		return payment.Intent{}, false
	}
	return payment.Intent{
		Reference: o.PaymentIntent, Amount: o.Amount, Currency: o.Currency,
		AmountCaptured: o.AmountCaptured,
		AmountRefunded: payment.GivenBack(o.Amount, o.AmountCaptured, o.AmountRefunded), Metadata: o.Metadata,
	}, true
}

// minor converts amounts in place from Stripe's representation.
func minor(c money.Currency, amounts ...*int64) (ok bool) {
	for _, amount := range amounts {
		if *amount, ok = money.FromStripe(*amount, c); !ok {
			return false
		}
	}
	return true
}

func unreadable(e webhook.Event) error {
	return fault.New(fault.Invalid, "invalid_payload", "the object of a "+e.Type+" event cannot be read")
}
