package stripepay

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v76"

	"patchbay/core/fault"
	"patchbay/core/payment"
)

// stateCodes are Stripe's codes for operations that the state of an intent, or of its
// charge, does not allow.
var stateCodes = map[stripe.ErrorCode]bool{
	stripe.ErrorCodePaymentIntentUnexpectedState: true, stripe.ErrorCodeChargeAlreadyCaptured: true,
	stripe.ErrorCodeChargeAlreadyRefunded: true, stripe.ErrorCodeChargeExpiredForCapture: true,
	stripe.ErrorCodeChargeDisputed: true,
}

// params maps Stripe's parameters to the names that callers know.
var params = map[string]string{
	"amount": "amount", "amount_to_capture": "amount", "currency": "currency", "customer": "customerId",
	"payment_method": "paymentMethod", "return_url": "returnUrl", "metadata": "metadata",
	"description": "description", "capture_method": "captureMethod",
}

// errorTypes are the types of Stripe's own errors, including older versions of its API.
var errorTypes = map[stripe.ErrorType]bool{
	stripe.ErrorTypeAPI: true, stripe.ErrorTypeCard: true, stripe.ErrorTypeIdempotency: true, stripe.ErrorTypeInvalidRequest: true,
	"authentication_error": true, "permission_error": true, "rate_limit_error": true,
}

// failure maps the library's error. Only an error from Stripe itself, or the fact that
// nothing was written, proves that nothing was done; otherwise the outcome is unknown:
// after a 5xx, a broken connection, or a response that is not from Stripe. An intermediary
// may refuse with any status, even after Stripe has executed the request.
//
// The library loses the status of a response that it cannot read, and quotes the response
// in its error. So the status is taken from the exchange, and such a text is left out.
func (c call) failure(err error) error {
	e := c.stripeError(err)
	status := c.exchange.Status()
	var f *fault.Error
	switch {
	case status == 0:
		f = c.identified(c.exchange.Unanswered(err))
	case e == nil, status >= http.StatusInternalServerError:
		f = c.unreadable()
	case status == http.StatusUnauthorized:
		f = c.fault(fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials", nil)
	case status == http.StatusForbidden:
		f = c.fault(fault.Refused, "provider_refused", "the provider does not let the gateway do this; nothing was done", nil)
	case status == http.StatusTooManyRequests && e.Code != stripe.ErrorCodeLockTimeout:
		f = c.fault(fault.RateLimited, "rate_limit", "the provider asks for fewer requests", nil)
	default:
		f = c.refused(e)
	}
	f.RetryAfter = c.exchange.RetryAfter()
	f.Answer = c.answer(e)
	// Stripe says when a retry is of no use.
	f.NoRetry = f.NoRetry || c.exchange.Header("Stripe-Should-Retry") == "false"
	return f
}

// answer returns the response, or nil if there was none. The words are only Stripe's own.
func (c call) answer(e *stripe.Error) *fault.Answer {
	status := c.exchange.Status()
	if status == 0 {
		return nil
	}
	a := &fault.Answer{Status: status}
	if e != nil {
		a.Field, a.Words = e.Param, c.scrub(e.Msg)
	}
	return a
}

// stripeError returns Stripe's own error, or nil if the response is not from Stripe.
func (c call) stripeError(err error) *stripe.Error {
	var e *stripe.Error
	var said struct {
		Error struct {
			Type stripe.ErrorType `json:"type"`
		} `json:"error"`
	}
	if !errors.As(err, &e) || !c.exchange.DecodeRefusal(&said) || said.Error.Type != e.Type || !errorTypes[e.Type] {
		return nil
	}
	return e
}

// refused maps one of Stripe's own errors with a status of 400 to 499.
func (c call) refused(e *stripe.Error) *fault.Error {
	switch {
	case e.Type == stripe.ErrorTypeIdempotency:
		// The key was used by a request of which nothing is known here.
		f := c.fault(fault.UnknownOutcome, "idempotency_mismatch", "this key was used for another request", nil)
		f.Blameless, f.NoRetry = true, true
		return f
	case e.Code == stripe.ErrorCodeLockTimeout:
		f := c.fault(fault.RateLimited, string(e.Code), "too many requests on one payment", nil)
		f.Blameless = true
		return f
	case e.HTTPStatusCode == http.StatusConflict: // with its code, or without any
		f := c.fault(fault.UnknownOutcome, string(stripe.ErrorCodeIdempotencyKeyInUse), "the same request is still under way", nil)
		f.Blameless = true
		return f
	case e.Type == stripe.ErrorTypeCard, e.HTTPStatusCode == http.StatusPaymentRequired:
		f := c.fault(fault.Declined, safeCode(string(e.Code)), c.scrub(e.Msg), nil)
		f.DeclineCode, f.Proven = safeCode(string(e.DeclineCode)), c.proves(e.PaymentIntent)
		return f
	case e.Type != stripe.ErrorTypeInvalidRequest:
		return c.unreadable()
	case e.Code == stripe.ErrorCodeResourceMissing && (e.Param == "intent" || e.Param == "payment_intent"):
		return c.fault(fault.NotFound, string(e.Code), "the provider has no such payment", nil)
	case e.HTTPStatusCode == http.StatusNotFound && e.Code == "": // a URL that is not part of Stripe's API
		return c.unreadable()
	}
	return c.invalid(e)
}

// proves reports whether an intent is the one that this very request created or tried to
// confirm, and no money was taken for it.
func (c call) proves(pi *stripe.PaymentIntent) bool {
	i, ok := c.g.intentOf(pi)
	switch {
	case !ok, i.Status != payment.RequiresPaymentMethod && i.Status != payment.RequiresConfirmation && i.Status != payment.Canceled:
		return false
	case c.reference != "":
		return i.Reference == c.reference
	}
	return c.operation != "" && i.Metadata[payment.MetaOperation] == c.operation
}

// invalid maps an error for a request that Stripe would never execute, or not in this
// state.
func (c call) invalid(e *stripe.Error) *fault.Error {
	kind, code := fault.Invalid, safeCode(string(e.Code))
	switch {
	case e.Code == stripe.ErrorCodePaymentIntentUnexpectedState && withoutMethod(e.PaymentIntent) && (c.op == "create" || c.op == "confirm"):
		code, e.Param = "payment_method_missing", "payment_method"
	case e.Code == stripe.ErrorCodeParameterMissing && e.Param == "payment_method":
		code = "payment_method_missing"
	case stateCodes[e.Code], c.op == "refund" && e.Code == "" && e.Param == "payment_intent":
		kind, code = fault.Conflict, payment.CodeState
	case c.op == "create" && (e.Param == "currency" || e.Param == "capture_method"):
		kind, code = fault.Unsupported, cmp.Or(code, e.Param+"_unsupported") // this account does not support it
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

// declined returns the intent after a decline. It does not return an intent that another
// request created.
func (c call) declined(err error) payment.Intent {
	e := c.stripeError(err)
	if e == nil || e.Type != stripe.ErrorTypeCard && e.HTTPStatusCode != http.StatusPaymentRequired {
		return payment.Intent{}
	}
	i, ok := c.g.intentOf(e.PaymentIntent)
	if !ok || !payment.Status(e.PaymentIntent.Status).Known() || c.reference != "" && i.Reference != c.reference || c.operation != "" && i.Metadata[payment.MetaOperation] != c.operation {
		return payment.Intent{}
	}
	return i
}

// unreadable returns the fault for a response that proves nothing.
func (c call) unreadable() *fault.Error {
	return c.fault(fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted",
		fmt.Errorf("the answer is %d %s", c.exchange.Status(), http.StatusText(c.exchange.Status())))
}

func (c call) fault(kind fault.Kind, code, message string, err error) *fault.Error {
	return c.identified(&fault.Error{Kind: kind, Code: code, Message: message, Err: err})
}

// identified sets the operation and the provider in an error.
func (c call) identified(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "stripepay."+c.op, c.g.name
	return f
}

// safeCode returns a code of Stripe's, or "" if it does not look like one.
func safeCode(code string) string {
	if len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' }) {
		return ""
	}
	return code
}

// scrub removes the secret key from texts that are not ours.
func (c call) scrub(message string) string { return strings.ReplaceAll(message, c.g.secretKey, "…") }
