package stripesim

import (
	"net/http"
	"strings"

	"patchbay/core/payment"
)

func (s *Sim) create(q *request, r *Record, saved *Saved) *Failure {
	expanded, f := q.expands("latest_charge")
	if f == nil {
		f = q.checkCreate()
	}
	if f != nil {
		return f
	}
	i := Intent{
		Key: q.key, Created: s.now(), Amount: q.number("amount"), Currency: strings.ToLower(q.text("currency")), CaptureMethod: q.text("capture_method"),
		Redirects: len(q.types()) == 0 && (q.text("automatic_payment_methods[enabled]") != "true" || q.text("automatic_payment_methods[allow_redirects]") != "never"),
		Types:     q.types(), Customer: q.text("customer"), Description: q.text("description"), Metadata: q.metadata(),
		State: State{Status: payment.RequiresPaymentMethod, Method: q.text("payment_method"), ReturnURL: q.text("return_url")},
	}
	if i.CaptureMethod == "" {
		i.CaptureMethod = "automatic"
	}
	if i.State.Method != "" {
		i.State.Status = payment.RequiresConfirmation
	}
	confirm := q.text("confirm") == "true"
	if confirm {
		if f := i.confirmable(); f != nil {
			r.Intent = i // without an id: it is in the error, and not saved
			return f
		}
	}
	i.ID = s.newID("pi")
	i.Secret = i.ID + "_" + s.newID("secret")
	r.Intent, saved.Expanded = i, expanded
	s.emit(r, "payment_intent.created", q.key)
	if confirm {
		return s.charge(r, q.key, false)
	}
	return nil
}

func (q *request) checkCreate() *Failure {
	for _, name := range []string{"amount", "currency"} {
		if q.text(name) == "" {
			return invalid("parameter_missing", name, "Missing required param: "+name+".")
		}
	}
	if f := checkAmount(q.number("amount"), strings.ToLower(q.text("currency"))); f != nil {
		return f
	}
	switch {
	case q.text("return_url") != "" && q.text("confirm") != "true":
		return invalid("", "return_url", "A return_url can only be provided when confirming.")
	case q.text("automatic_payment_methods[allow_redirects]") != "" && q.text("automatic_payment_methods[enabled]") == "":
		return invalid("parameter_missing", "automatic_payment_methods[enabled]", "Missing required param: automatic_payment_methods[enabled].")
	case len(q.types()) > 0 && q.text("automatic_payment_methods[enabled]") != "":
		return invalid("", "", "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
	case q.text("customer") != "" && !strings.HasPrefix(q.text("customer"), "cus_"):
		return missingInBody("customer", "customer", q.text("customer"))
	}
	return checkMethod(q.text("payment_method"))
}

// missingInBody is the error for an object that a parameter names: 400, not 404.
func missingInBody(param, what, id string) *Failure {
	f := missing(param, what, id)
	f.status = http.StatusBadRequest
	return f
}

func checkMethod(method string) *Failure {
	if _, known := cardOf(method); method != "" && !known {
		return missingInBody("payment_method", "PaymentMethod", method)
	}
	return nil
}

// confirmable returns an error if Stripe would not confirm the intent.
func (i *Intent) confirmable() *Failure {
	switch {
	case i.State.Status != payment.RequiresPaymentMethod && i.State.Status != payment.RequiresConfirmation && i.State.Status != payment.RequiresAction:
		return i.state("confirm")
	case i.State.Method == "":
		f := impossible("payment_intent_unexpected_state", "", "You cannot confirm this PaymentIntent because it's missing a payment method.")
		f.about = true
		return f
	case i.Redirects && i.State.ReturnURL == "":
		return invalid("", "", "This PaymentIntent is configured to accept payment methods that may redirect your customer: "+
			"provide a return_url, or set automatic_payment_methods[allow_redirects] to never.")
	}
	return nil
}

func (s *Sim) confirm(q *request, r *Record, saved *Saved) *Failure {
	expanded, f := q.expands("latest_charge")
	if f == nil {
		f = checkMethod(q.text("payment_method"))
	}
	if f != nil {
		return f
	}
	requested := r.Intent // a refused request changes nothing
	if method := q.text("payment_method"); method != "" {
		requested.State.Method = method
	}
	if to := q.text("return_url"); to != "" {
		requested.State.ReturnURL = to
	}
	if f := requested.confirmable(); f != nil {
		return f
	}
	r.Intent, saved.Expanded = requested, expanded
	return s.charge(r, q.key, false)
}

// charge makes a charge with the intent's payment method. approved says that the buyer has approved
// it already. The error is a decline; the intent remains.
func (s *Sim) charge(r *Record, key string, approved bool) *Failure {
	at := &r.Intent.State
	c, _ := cardOf(at.Method)
	at.Failure, at.Status = nil, payment.RequiresAction
	if c.authenticate && !approved {
		s.emit(r, "payment_intent.requires_action", key)
		return nil
	}
	at.Charge = Charge{ID: s.newID("ch")}
	switch {
	case c.code != "":
		return s.decline(r, key, &Failure{
			status: http.StatusPaymentRequired, executed: true, about: true, Type: "card_error", Code: c.code, DeclineCode: c.declineCode,
			Message: "the card was declined", Charge: at.Charge.ID,
		})
	case c.bank:
		at.Status = payment.Processing
		s.emit(r, "payment_intent.processing", key)
		return nil
	}
	at.Charge.Paid = true
	if r.Intent.CaptureMethod == "manual" {
		at.Status, at.Capturable = payment.RequiresCapture, r.Intent.Amount
		s.emit(r, "payment_intent.amount_capturable_updated", key)
		return nil
	}
	s.take(r, r.Intent.Amount, key)
	return nil
}

// decline records a payment error. The payment method is removed from the intent.
func (s *Sim) decline(r *Record, key string, f *Failure) *Failure {
	at := &r.Intent.State
	at.Failure, at.Status, at.Method = f, payment.RequiresPaymentMethod, ""
	s.emit(r, "payment_intent.payment_failed", key)
	return f
}

// take captures an amount. The rest of the authorisation is released, which Stripe represents as a
// refund. Some buyers open a dispute at once.
func (s *Sim) take(r *Record, amount int64, key string) {
	at := &r.Intent.State
	at.Status, at.Received, at.Capturable, at.Charge.Captured = payment.Succeeded, amount, 0, true
	s.release(r, r.Intent.Amount-amount, key)
	s.emit(r, "payment_intent.succeeded", key)
	if c, _ := cardOf(at.Method); c.dispute != "" {
		s.dispute(r, c)
	}
}

func (s *Sim) capture(q *request, r *Record, saved *Saved) *Failure {
	expanded, f := q.expands("latest_charge")
	if f != nil {
		return f
	}
	i, amount := &r.Intent, q.number("amount_to_capture")
	switch {
	case i.State.Status != payment.RequiresCapture:
		return i.state("capture")
	case amount < 0:
		return invalid("parameter_invalid_integer", "amount_to_capture", "This value must be greater than or equal to 1.")
	case amount > i.State.Capturable:
		return impossible("amount_too_large", "amount_to_capture", "The amount to capture is greater than what was authorised.")
	case amount == 0:
		amount = i.State.Capturable
	}
	if f := checkMultiple("amount_to_capture", amount, i.Currency); f != nil {
		return f
	}
	saved.Expanded = expanded
	s.take(r, amount, q.key)
	return nil
}

func (s *Sim) cancel(q *request, r *Record, saved *Saved) *Failure {
	expanded, f := q.expands("latest_charge")
	if f != nil {
		return f
	}
	at := &r.Intent.State
	if at.Status.Terminal() {
		return r.Intent.state("cancel")
	}
	saved.Expanded = expanded
	s.release(r, at.Capturable, q.key)
	at.Status, at.Capturable = payment.Canceled, 0
	s.emit(r, "payment_intent.canceled", q.key)
	return nil
}
