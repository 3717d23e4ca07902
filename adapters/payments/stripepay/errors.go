package stripepay

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// codeState is the code of what an intent's state forbids.
const codeState = "unexpected_state"

// stateCodes are Stripe's codes for what the state of an intent, or of its charge,
// does not allow.
var stateCodes = map[stripe.ErrorCode]bool{
	stripe.ErrorCodePaymentIntentUnexpectedState: true, stripe.ErrorCodeChargeAlreadyCaptured: true,
	stripe.ErrorCodeChargeAlreadyRefunded: true, stripe.ErrorCodeChargeExpiredForCapture: true,
	stripe.ErrorCodeChargeDisputed: true,
}

// params are the names that callers know for Stripe's parameters.
var params = map[string]string{
	"amount": "amount", "amount_to_capture": "amount", "currency": "currency", "customer": "customerId",
	"payment_method": "paymentMethod", "return_url": "returnUrl", "metadata": "metadata",
	"description": "description", "capture_method": "captureMethod",
}

// failure maps what the library returned. Only what Stripe itself says, or that
// nothing was written, proves that nothing was done; the rest is unknown: a 5xx,
// a connection that broke, an answer that is none of Stripe's.
//
// The library loses the status of an answer that it cannot read, and quotes it:
// the status is the exchange's, and such a text is left out.
func (c call) failure(err error) error {
	var e *stripe.Error
	status := c.exchange.Status()
	spoken := errors.As(err, &e) && e.Type != "" && status >= 400
	var f *fault.Error
	switch {
	case status == 0:
		f = c.named(c.exchange.Unanswered(err))
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		f = c.fault(fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials", nil)
	case status == http.StatusTooManyRequests && !(spoken && e.Code == stripe.ErrorCodeLockTimeout):
		f = c.fault(fault.RateLimited, "rate_limit", "the provider asks for fewer requests", nil)
	case status >= 500, !spoken:
		return c.noRetry(c.unreadable())
	default:
		f = c.refused(e)
	}
	f.RetryAfter = c.exchange.RetryAfter()
	return c.noRetry(f)
}

// refused is an answer of Stripe's own with a status of 400 to 499.
func (c call) refused(e *stripe.Error) *fault.Error {
	switch {
	case e.Code == stripe.ErrorCodeIdempotencyKeyInUse:
		f := c.fault(fault.UnknownOutcome, string(e.Code), "the same request is still under way", nil)
		f.Blameless = true
		return f
	case e.Code == stripe.ErrorCodeLockTimeout:
		f := c.fault(fault.RateLimited, string(e.Code), "too many requests on one payment", nil)
		f.Blameless = true
		return f
	case e.Type == stripe.ErrorTypeIdempotency:
		return c.fault(fault.Conflict, "idempotency_mismatch", "this key was used for another request", nil)
	case e.Type == stripe.ErrorTypeCard, e.HTTPStatusCode == http.StatusPaymentRequired:
		f := c.fault(fault.Declined, word(string(e.Code)), c.scrub(e.Msg), nil)
		f.DeclineCode = word(string(e.DeclineCode))
		return f
	case e.Type != stripe.ErrorTypeInvalidRequest:
		return c.unreadable()
	case e.Code == stripe.ErrorCodeResourceMissing && (e.Param == "intent" || e.Param == "payment_intent"):
		return c.fault(fault.NotFound, string(e.Code), "the provider has no such payment", nil)
	case e.HTTPStatusCode == http.StatusNotFound && e.Code == "": // an address that is none of Stripe's API
		return c.unreadable()
	}
	return c.invalid(e)
}

// invalid is a request that Stripe would never do, or not in this state.
func (c call) invalid(e *stripe.Error) *fault.Error {
	kind, code := fault.Invalid, word(string(e.Code))
	switch {
	case e.Code == stripe.ErrorCodePaymentIntentUnexpectedState && withoutMethod(e.PaymentIntent) && (c.op == "create" || c.op == "confirm"):
		code, e.Param = "payment_method_missing", "payment_method"
	case e.Code == stripe.ErrorCodeParameterMissing && e.Param == "payment_method":
		code = "payment_method_missing"
	case stateCodes[e.Code], c.op == "refund" && e.Code == "" && e.Param == "payment_intent":
		kind, code = fault.Conflict, codeState
	case c.op == "refund" && e.Code == "" && e.Param == "amount": // more than is left: Stripe has no code for it
		code = string(stripe.ErrorCodeAmountTooLarge)
	case code == "":
		code = "invalid_request"
	}
	f := c.fault(kind, code, c.scrub(e.Msg), nil)
	name, _, _ := strings.Cut(e.Param, "[")
	f.Param = params[name]
	return f
}

func withoutMethod(pi *stripe.PaymentIntent) bool {
	return pi == nil || pi.Status == stripe.PaymentIntentStatusRequiresPaymentMethod
}

// declined is the intent that a decline leaves.
func (c call) declined(err error) payment.Intent {
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeCard {
		return payment.Intent{}
	}
	i, _ := c.g.intentOf(e.PaymentIntent)
	return i
}

// unreadable is an answer that proves nothing.
func (c call) unreadable() *fault.Error {
	return c.fault(fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted",
		fmt.Errorf("the answer is %d %s", c.exchange.Status(), http.StatusText(c.exchange.Status())))
}

// noRetry obeys Stripe where it says that asking again is of no use.
func (c call) noRetry(f *fault.Error) error {
	f.NoRetry = c.exchange.Header("Stripe-Should-Retry") == "false"
	return f
}

func (c call) fault(kind fault.Kind, code, message string, err error) *fault.Error {
	return c.named(&fault.Error{Kind: kind, Code: code, Message: message, Err: err})
}

// named tells where an error comes from.
func (c call) named(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "stripepay."+c.op, c.g.name
	return f
}

// word is a code of Stripe's, or nothing where it does not look like one.
func word(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return ""
	}
	return code
}

// scrub keeps the key out of words that are not ours.
func (c call) scrub(message string) string { return strings.ReplaceAll(message, c.g.secretKey, "…") }
