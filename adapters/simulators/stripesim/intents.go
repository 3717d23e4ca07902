package stripesim

import (
	"crypto/rand"
	"maps"
	"net/http"
	"strings"
	"time"

	"patchbay/core/money"
	"patchbay/core/payment"
)

// intent is a payment intent and its charges. Its amounts are in Stripe's units.
type intent struct {
	id, key       string
	secret        string
	created       time.Time
	status        payment.Status
	amount        int64
	currency      string
	captureMethod string
	redirects     bool // the buyer may be redirected, so that confirming needs a return_url
	customer      string
	method        string
	description   string
	returnURL     string
	metadata      map[string]string
	capturable    int64
	received      int64
	failure       *failure // the last payment error
	charge        *charge  // the latest
	refunds       []*refund
	disputes      []*dispute
}

// charge is one attempt to charge the buyer.
type charge struct {
	id       string
	captured bool
	paid     bool
}

func newID(prefix string) string { return prefix + "_" + rand.Text() }

func (s *Sim) create(q *request) (object, *failure) {
	expanded, f := q.expands("latest_charge")
	if f == nil {
		f = q.checkCreate()
	}
	if f != nil {
		return nil, f
	}
	i := &intent{
		id: newID("pi"), key: q.key, created: s.now(), status: payment.RequiresPaymentMethod,
		amount: q.number("amount"), currency: strings.ToLower(q.text("currency")), captureMethod: q.text("capture_method"),
		redirects: q.text("automatic_payment_methods[enabled]") != "true" || q.text("automatic_payment_methods[allow_redirects]") != "never",
		customer:  q.text("customer"), method: q.text("payment_method"), description: q.text("description"),
		returnURL: q.text("return_url"), metadata: q.metadata(),
	}
	i.secret = i.id + "_secret_" + rand.Text()
	if i.captureMethod == "" {
		i.captureMethod = "automatic"
	}
	if i.method != "" {
		i.status = payment.RequiresConfirmation
	}
	if q.text("confirm") == "true" {
		if f := i.confirmable(); f != nil {
			return nil, f
		}
	}
	s.intents = append(s.intents, i)
	s.tell("payment_intent.created", i.object(false), q.key)
	if q.text("confirm") == "true" {
		if f := s.charge(i, q.key); f != nil {
			return nil, f
		}
	}
	return i.object(expanded), nil
}

func (q *request) checkCreate() *failure {
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
	case q.text("customer") != "" && !strings.HasPrefix(q.text("customer"), "cus_"):
		return missingInBody("customer", "customer", q.text("customer"))
	}
	return checkMethod(q.text("payment_method"))
}

// missingInBody is the error for an object that a parameter names: 400, not 404.
func missingInBody(param, what, id string) *failure {
	f := missing(param, what, id)
	f.status = http.StatusBadRequest
	return f
}

func checkMethod(method string) *failure {
	if _, known := cardOf(method); method != "" && !known {
		return missingInBody("payment_method", "PaymentMethod", method)
	}
	return nil
}

// confirmable returns an error if Stripe would not confirm the intent.
func (i *intent) confirmable() *failure {
	switch {
	case i.status != payment.RequiresPaymentMethod && i.status != payment.RequiresConfirmation && i.status != payment.RequiresAction:
		return i.state("confirm")
	case i.method == "":
		f := impossible("payment_intent_unexpected_state", "", "You cannot confirm this PaymentIntent because it's missing a payment method.")
		f.Intent = i.object(false)
		return f
	case i.redirects && i.returnURL == "":
		return invalid("", "", "This PaymentIntent is configured to accept payment methods that may redirect your customer: "+
			"provide a return_url, or set automatic_payment_methods[allow_redirects] to never.")
	}
	return nil
}

func (s *Sim) confirm(q *request) (object, *failure) {
	i, expanded, f := s.subject(q)
	if f == nil {
		f = checkMethod(q.text("payment_method"))
	}
	if f != nil {
		return nil, f
	}
	asked := *i // a refused request changes nothing
	if method := q.text("payment_method"); method != "" {
		asked.method = method
	}
	if to := q.text("return_url"); to != "" {
		asked.returnURL = to
	}
	if f := asked.confirmable(); f != nil {
		return nil, f
	}
	*i = asked
	if f := s.charge(i, q.key); f != nil {
		return nil, f
	}
	return i.object(expanded), nil
}

// charge makes a charge with the intent's payment method. The error is a decline; the intent
// remains.
func (s *Sim) charge(i *intent, key string) *failure {
	c, _ := cardOf(i.method)
	i.failure, i.status = nil, payment.RequiresAction
	if c.authenticate {
		s.tell("payment_intent.requires_action", i.object(false), key)
		return nil
	}
	i.charge = &charge{id: newID("ch")}
	if c.code != "" {
		f := &failure{
			status: http.StatusPaymentRequired, executed: true, Type: "card_error", Code: c.code, DeclineCode: c.declineCode,
			Message: "Your card was declined.", Charge: i.charge.id,
		}
		kept := *f
		i.failure, i.status, i.method = &kept, payment.RequiresPaymentMethod, ""
		f.Intent = i.object(false)
		s.tell("payment_intent.payment_failed", f.Intent, key)
		return f
	}
	if c.bank {
		i.status = payment.Processing
		s.tell("payment_intent.processing", i.object(false), key)
		return nil
	}
	i.charge.paid = true
	if i.captureMethod == "manual" {
		i.status, i.capturable = payment.RequiresCapture, i.amount
		s.tell("payment_intent.amount_capturable_updated", i.object(false), key)
		return nil
	}
	s.take(i, i.amount, key)
	return nil
}

// take captures an amount. The rest of the authorisation is released, which Stripe represents as a
// refund.
func (s *Sim) take(i *intent, amount int64, key string) {
	i.status, i.received, i.capturable, i.charge.captured = payment.Succeeded, amount, 0, true
	s.release(i, i.amount-amount, key)
	s.tell("payment_intent.succeeded", i.object(false), key)
}

func (s *Sim) capture(q *request) (object, *failure) {
	i, expanded, f := s.subject(q)
	if f != nil {
		return nil, f
	}
	amount := q.number("amount_to_capture")
	switch {
	case i.status != payment.RequiresCapture:
		return nil, i.state("capture")
	case amount < 0:
		return nil, invalid("parameter_invalid_integer", "amount_to_capture", "This value must be greater than or equal to 1.")
	case amount > i.capturable:
		return nil, impossible("amount_too_large", "amount_to_capture", "The amount to capture is greater than what was authorised.")
	case amount == 0:
		amount = i.capturable
	}
	if f := checkMultiple("amount_to_capture", amount, i.currency); f != nil {
		return nil, f
	}
	s.take(i, amount, q.key)
	return i.object(expanded), nil
}

func (s *Sim) cancel(q *request) (object, *failure) {
	i, expanded, f := s.subject(q)
	if f != nil {
		return nil, f
	}
	if i.status.Terminal() {
		return nil, i.state("cancel")
	}
	s.release(i, i.capturable, q.key)
	i.status, i.capturable = payment.Canceled, 0
	s.tell("payment_intent.canceled", i.object(false), q.key)
	return i.object(expanded), nil
}

func (s *Sim) retrieve(q *request) (object, *failure) {
	i, expanded, f := s.subject(q)
	if f != nil {
		return nil, f
	}
	return i.object(expanded), nil
}

// subject returns the intent that the path names.
func (s *Sim) subject(q *request) (i *intent, expanded bool, f *failure) {
	expanded, f = q.expands("latest_charge")
	if i = s.find(q.id); f == nil && i == nil {
		f = missing("intent", "payment_intent", q.id)
	}
	return i, expanded, f
}

func (i *intent) entry() payment.BookEntry {
	e := payment.BookEntry{
		Reference: i.id, Key: i.key, Status: i.status, Amount: i.amount, Currency: money.Currency(i.currency),
		Captured: i.received, Metadata: maps.Clone(i.metadata), CreatedAt: i.created,
	}
	for _, r := range i.refunds {
		if r.live() && !r.released {
			e.Refunded += r.amount
			e.Refunds++
		}
	}
	return e
}
