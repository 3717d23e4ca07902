package httpapi

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// refusal is an HTTP-level error with its status.
type refusal struct {
	status        int
	code, message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, message string) error { return &refusal{status, code, message} }

// ofPayment is an error of a payment that is stored.
type ofPayment struct {
	error
	payment string
}

func (e *ofPayment) Unwrap() error { return e.error }

// status maps a Kind to an HTTP status. Conflicts about a key, a version or a cursor have
// their own status.
func status(f *fault.Error) int {
	switch f.Kind {
	case fault.Invalid, fault.Unsupported:
		return fiber.StatusBadRequest
	case fault.Declined:
		return fiber.StatusPaymentRequired
	case fault.NotFound:
		return fiber.StatusNotFound
	case fault.Conflict:
		switch f.Code {
		case idempotency.CodeMismatch:
			return fiber.StatusUnprocessableEntity
		case "version_mismatch":
			return fiber.StatusPreconditionFailed
		case events.CodeGone:
			return fiber.StatusGone
		}
		return fiber.StatusConflict
	case fault.Overloaded:
		return fiber.StatusTooManyRequests
	case fault.Unauthorized, fault.Refused, fault.QuotaExceeded, fault.RateLimited, fault.Unavailable, fault.UnknownOutcome, fault.Canceled:
		return fiber.StatusServiceUnavailable
	case fault.Internal:
	}
	return fiber.StatusInternalServerError
}

// standard holds the messages of failures whose own text is not for callers.
var standard = map[fault.Kind]string{
	fault.Invalid:        "the request is not valid",
	fault.Declined:       "the payment was declined",
	fault.NotFound:       "there is no such thing",
	fault.Conflict:       "it is in conflict with what is there",
	fault.Unsupported:    "the provider cannot do this",
	fault.Canceled:       "it was given up before anything was done",
	fault.Unauthorized:   "the gateway's account at the provider was refused; nothing was done",
	fault.Refused:        "the provider does not let the gateway do this; nothing was done",
	fault.QuotaExceeded:  "the gateway's account at the provider is used up; nothing was done",
	fault.RateLimited:    "the provider takes no more at present; nothing was done",
	fault.Unavailable:    "something needed is not available; nothing was done",
	fault.UnknownOutcome: "it is not known whether it was done; repeat it under the same key",
	fault.Overloaded:     "too much at once; nothing was done",
	fault.Internal:       "the gateway made a mistake",
}

// codes holds the codes of failures whose own code may come from a provider.
var codes = map[fault.Kind]string{fault.Unauthorized: "provider_misconfigured", fault.Refused: "provider_refused"}

// fail answers every error of the API in the same format.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	code, body := s.describe(c, err)
	s.tell(c, code, body.Code, err)
	raw, merr := json.Marshal(api.Error{Error: body})
	if merr != nil {
		return merr
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(code).Send(append(raw, '\n'))
}

func (s *Server) describe(c *fiber.Ctx, err error) (int, api.PaymentError) {
	t := traceOf(c.Context())
	if t.request == "" { // refused before any route
		s.head(c, t)
	}
	body := api.PaymentError{RequestId: t.request}
	var e *ofPayment
	if errors.As(err, &e) {
		body.PaymentId = e.payment
	}
	var own *refusal
	var theirs *fiber.Error
	switch {
	case errors.As(err, &own):
		return own.status, shape(body, own.status, own.code, own.message)
	case errors.As(err, &theirs):
		// Do not use fiber's message: it quotes the request, including the key.
		text := strings.ToLower(http.StatusText(theirs.Code))
		return theirs.Code, shape(body, theirs.Code, strings.ReplaceAll(text, " ", "_"), text)
	}
	f := fault.From(err)
	code := status(f)
	retryAfter(c, code, f)
	body.Param = f.Param
	if f.Kind == fault.Declined {
		shown := publicFailure(f.Code, f.DeclineCode, f.Message)
		body.Type, body.Code, body.DeclineCode, body.Message = api.CardError, shown.Code, shown.DeclineCode, shown.Message
		return code, body
	}
	name, message := f.Code, f.Message
	if name == "" || f.Kind == fault.Internal {
		name = f.Kind.String()
	}
	if own, ok := codes[f.Kind]; ok {
		name = own
	}
	if message == "" || inward(f.Kind) {
		message = standard[f.Kind]
	}
	return code, shape(body, code, name, message)
}

// inward reports whether the text of a failure may come from a provider or from inside the
// gateway: it can quote our own credentials, and does not tell the caller what to do.
func inward(k fault.Kind) bool {
	return k == fault.Internal || k == fault.UnknownOutcome || k == fault.Unauthorized || k == fault.Refused
}

func shape(body api.PaymentError, status int, code, message string) api.PaymentError {
	body.Type, body.Code, body.Message = api.ValidationError, code, message
	if status >= fiber.StatusInternalServerError || status == fiber.StatusTooManyRequests || status == fiber.StatusUnauthorized || status == fiber.StatusForbidden {
		body.Type = api.ApiError
	}
	return body
}

// retryAfter sets Retry-After if a retry can help.
func retryAfter(c *fiber.Ctx, code int, f *fault.Error) {
	again := code == fiber.StatusServiceUnavailable || code == fiber.StatusTooManyRequests || f.RetryAfter > 0
	if !again {
		return
	}
	wait := f.RetryAfter
	if wait <= 0 {
		wait = usualWait(f.Kind)
	}
	c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}

// usualWait returns how long to wait after a failure that does not say. Failures that a
// person must fix at the provider do not pass within a second.
func usualWait(k fault.Kind) time.Duration {
	if k == fault.Unauthorized || k == fault.Refused || k == fault.QuotaExceeded {
		return time.Minute
	}
	return time.Second
}

// publicFailure hides the reason why a card was declined if the buyer must not learn it.
// Source: docs.stripe.com/declines/codes.
func publicFailure(code, declineCode, message string) api.Failure {
	switch declineCode {
	case "fraudulent", "lost_card", "stolen_card", "merchant_blacklist", "pickup_card":
		declineCode, message = "generic_decline", ""
	}
	if code == "" {
		code = "card_declined"
	}
	if message == "" {
		message = standard[fault.Declined]
	}
	return api.Failure{Type: string(api.CardError), Code: code, DeclineCode: declineCode, Message: message}
}
