package mockpay

import (
	"fmt"
	"maps"
	"time"

	"patchbay/core/fault"
	"patchbay/core/money"
	"patchbay/core/payment"
)

// intent is a payment intent with all its requests. It is stored as one record, so that a
// request's effect, its answer and its events are one commit.
type intent struct {
	payment.Intent
	Customer      string                   `json:",omitempty"`
	PaymentMethod string                   `json:",omitempty"`
	ReturnURL     string                   `json:",omitempty"` // of the latest confirm
	Redirects     bool                     `json:",omitempty"` // the buyer may be redirected
	Description   string                   `json:",omitempty"`
	CaptureMethod payment.CaptureMethod    //
	Charged       bool                     `json:",omitempty"` // a charge was attempted
	Refunds       []payment.ProviderRefund `json:",omitempty"`
	Released      *payment.ProviderRefund  `json:",omitempty"` // the part of the authorisation that was not captured
	Disputes      []payment.Dispute        `json:",omitempty"`
	Later         []turn                   `json:",omitempty"` // pending changes of refunds
	Requests      []answered               `json:",omitempty"` // oldest first; the first is the create
	Outbox        []webhookEvent           `json:",omitempty"` // events not delivered yet
	LastEvent     int                      `json:",omitempty"` // Seq of the newest event

	news []news // events of the current request
}

// newIntent returns a new intent. It returns Invalid if the request is not valid.
func newIntent(reference, secret string, now time.Time, r payment.CreateRequest) (*intent, error) {
	if err := checkCreate(r); err != nil {
		return nil, err
	}
	i := &intent{
		Intent: payment.Intent{
			Reference: reference, Status: payment.RequiresPaymentMethod,
			Amount: r.Amount, Currency: r.Currency,
			ClientSecret: reference + "_" + secret,
			Metadata:     maps.Clone(r.Metadata), CreatedAt: now,
		},
		Customer: r.Customer, Redirects: r.MayRedirect(), Description: r.Description,
		CaptureMethod: r.CaptureMethod,
	}
	if i.CaptureMethod == "" {
		i.CaptureMethod = payment.CaptureAutomatic
	}
	if r.PaymentMethod != "" {
		i.PaymentMethod, i.Status = r.PaymentMethod, payment.RequiresConfirmation
	}
	i.tell("payment_intent.created")
	return i, nil
}

func checkCreate(r payment.CreateRequest) error {
	// Stripe accepts every currency it knows, whichever the gateway accepts.
	if err := money.Check(r.Amount, r.Currency, []money.Currency{r.Currency}); err != nil {
		return err
	}
	switch r.CaptureMethod {
	case "", payment.CaptureAutomatic, payment.CaptureManual:
	default:
		return fault.InvalidParam("captureMethod", "parameter_invalid", "captureMethod must be automatic or manual")
	}
	if r.PaymentMethod != "" {
		if _, err := cardOf(r.PaymentMethod); err != nil {
			return err
		}
	}
	return checkMetadata(r.Metadata)
}

// checkMetadata enforces Stripe's limits.
func checkMetadata(m map[string]string) error {
	if len(m) > 50 {
		return fault.InvalidParam("metadata", "metadata_too_large", "metadata takes at most 50 keys")
	}
	for key, value := range m {
		if len(key) > 40 || len(value) > 500 {
			return fault.InvalidParam("metadata", "metadata_too_large",
				"a metadata key takes at most 40 characters and a value 500")
		}
	}
	return nil
}

// confirm requests the money from the issuer. It returns Invalid, Conflict, or Declined;
// with Declined the intent has changed nevertheless.
func (i *intent) confirm(method, returnURL string, now time.Time) error {
	switch i.Status {
	case payment.RequiresPaymentMethod, payment.RequiresConfirmation, payment.RequiresAction:
	default:
		return i.unexpected(payment.Confirm)
	}
	if method == "" {
		method = i.PaymentMethod
	}
	if method == "" {
		return fault.InvalidParam("paymentMethod", "payment_method_missing", "confirming needs a payment method")
	}
	c, err := cardOf(method)
	if err != nil {
		return err
	}
	if returnURL == "" {
		returnURL = i.ReturnURL
	}
	if i.Redirects && returnURL == "" {
		return fault.InvalidParam("returnUrl", "return_url_required", "the buyer may be sent away, and needs an address to come back to")
	}
	i.PaymentMethod, i.ReturnURL, i.NextAction, i.Failure = method, returnURL, nil, nil
	switch {
	case c.authenticate:
		i.authenticate()
	case c.code != "":
		return i.decline(c)
	case i.CaptureMethod == payment.CaptureManual:
		i.Charged, i.Status, i.AmountCapturable = true, payment.RequiresCapture, i.Amount
		i.tell("payment_intent.amount_capturable_updated")
	default:
		i.Charged = true
		i.take(i.Amount, now)
	}
	return nil
}

// authenticate makes the intent wait for the buyer. Nothing answers at the address: the
// intent can only be confirmed with another payment method, or canceled.
func (i *intent) authenticate() {
	i.Status = payment.RequiresAction
	i.NextAction = &payment.NextAction{Type: "use_stripe_sdk"}
	if i.ReturnURL != "" {
		i.NextAction = &payment.NextAction{
			Type: "redirect_to_url", URL: "https://mock.invalid/authenticate/" + i.Reference,
		}
	}
	i.tell("payment_intent.requires_action")
}

// decline declines the card, which is then removed from the intent, as at Stripe.
func (i *intent) decline(c card) error {
	i.Charged, i.Status, i.PaymentMethod = true, payment.RequiresPaymentMethod, ""
	i.Failure = &payment.Failure{
		Code: c.code, DeclineCode: c.declineCode, Message: "the card was declined",
	}
	i.tell("payment_intent.payment_failed")
	return &fault.Error{
		Kind: fault.Declined, Code: c.code, DeclineCode: c.declineCode, Message: i.Failure.Message, Proven: true,
	}
}

// take captures the money, and releases the rest of the authorisation.
func (i *intent) take(amount int64, now time.Time) {
	i.release(i.Amount-amount, now)
	i.Status, i.AmountCaptured, i.AmountCapturable = payment.Succeeded, amount, 0
	i.tell("payment_intent.succeeded")
	i.dispute(now)
}

// capture captures an authorised amount, all of it if amount is 0. It returns Conflict or
// Invalid.
func (i *intent) capture(amount int64, now time.Time) error {
	switch {
	case i.Status != payment.RequiresCapture:
		return i.unexpected(payment.Capture)
	case amount < 0:
		return notPositive()
	case amount > i.AmountCapturable:
		return tooLarge(i.AmountCapturable, i.Currency)
	case amount == 0:
		amount = i.AmountCapturable
	}
	if err := money.CheckStep(amount, i.Currency); err != nil {
		return err
	}
	i.take(amount, now)
	return nil
}

// cancel cancels the intent. It returns Conflict.
func (i *intent) cancel(now time.Time) error {
	if i.Status == payment.Succeeded || i.Status == payment.Canceled {
		return i.unexpected(payment.Cancel)
	}
	i.release(i.AmountCapturable, now)
	i.Status, i.AmountCapturable, i.NextAction = payment.Canceled, 0, nil
	i.tell("payment_intent.canceled")
	return nil
}

func (i *intent) unexpected(a payment.Action) error {
	return fault.New(fault.Conflict, "unexpected_state",
		fmt.Sprintf("%s is not possible while the payment is %s", a, i.Status))
}

func notPositive() error {
	return fault.InvalidParam("amount", "amount_not_positive", "amount must be a positive number of minor units")
}

func tooLarge(left int64, c money.Currency) error {
	return fault.InvalidParam("amount", "amount_too_large", "amount must be at most "+money.Format(left, c))
}
