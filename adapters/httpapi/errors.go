package httpapi

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/adapters/wire"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

// refuse returns an error that is answered with this status.
func refuse(status int, code, message string) error {
	return &wire.Refusal{Status: status, Code: code, Message: message}
}

// paymentError is an error of a payment that is stored.
type paymentError struct {
	error
	payment string
}

func (e *paymentError) Unwrap() error { return e.error }

// answer is how the errors of a Kind are answered.
type answer struct {
	status  int
	message string        // of an error without one
	code    string        // in place of the error's own
	private bool          // the error's own message is never shown
	wait    time.Duration // the Retry-After of an error that does not say; 0 means a second
}

// answers has an answer for each Kind. The text of some may come from a provider or from
// inside the gateway: it can quote our own credentials, and does not tell the caller what
// to do. What a person must fix at the provider does not pass within a second.
var answers = map[fault.Kind]answer{
	fault.Invalid:        {status: fiber.StatusBadRequest, message: "the request is not valid"},
	fault.Declined:       {status: fiber.StatusPaymentRequired, message: "the payment was declined"},
	fault.NotFound:       {status: fiber.StatusNotFound, message: "there is no such thing"},
	fault.Conflict:       {status: fiber.StatusConflict, message: "it is in conflict with what is there"},
	fault.Unsupported:    {status: fiber.StatusBadRequest, message: "the provider cannot do this"},
	fault.Canceled:       {status: fiber.StatusServiceUnavailable, message: "it was given up before anything was done"},
	fault.Unauthorized:   {status: fiber.StatusServiceUnavailable, message: "the gateway's account at the provider was refused; nothing was done", code: "provider_misconfigured", private: true, wait: time.Minute},
	fault.Refused:        {status: fiber.StatusServiceUnavailable, message: "the provider does not let the gateway do this; nothing was done", code: "provider_refused", private: true, wait: time.Minute},
	fault.QuotaExceeded:  {status: fiber.StatusServiceUnavailable, message: "the gateway's account at the provider is used up; nothing was done", wait: time.Minute},
	fault.RateLimited:    {status: fiber.StatusServiceUnavailable, message: "the provider takes no more at present; nothing was done"},
	fault.Unavailable:    {status: fiber.StatusServiceUnavailable, message: "something needed is not available; nothing was done"},
	fault.UnknownOutcome: {status: fiber.StatusServiceUnavailable, message: "it is not known whether it was done, or all of it; repeat it, under the same key if it has one", private: true},
	fault.Overloaded:     {status: fiber.StatusTooManyRequests, message: "too much at once; nothing was done"},
	fault.Internal:       {status: fiber.StatusInternalServerError, message: "the gateway made a mistake", code: fault.Internal.String(), private: true},
}

// conflicts are the statuses of conflicts that have their own.
var conflicts = map[string]int{
	idempotency.CodeMismatch: fiber.StatusUnprocessableEntity,
	"version_mismatch":       fiber.StatusPreconditionFailed,
	events.CodeGone:          fiber.StatusGone,
}

// fail answers every error of the API in the same format.
func (s *Server) fail(c *fiber.Ctx, err error) error {
	status, body := s.describe(c, err)
	s.logFailure(c, status, body.Code, err)
	raw, merr := json.Marshal(api.Error{Error: body})
	if merr != nil {
		return merr
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Status(status).Send(append(raw, '\n'))
}

// describe returns the status and the body of the answer to an error.
func (s *Server) describe(c *fiber.Ctx, err error) (int, api.PaymentError) {
	e := logEntryOf(c.Context())
	if e.request == "" { // refused before any route
		s.setHeaders(c)
	}
	body := api.PaymentError{RequestId: e.request}
	if p, ok := errors.AsType[*paymentError](err); ok {
		body.PaymentId = p.payment
	}
	if r, ok := errors.AsType[*wire.Refusal](err); ok {
		return r.Status, typed(body, r.Status, r.Code, r.Message)
	}
	if f, ok := errors.AsType[*fiber.Error](err); ok {
		// Do not use fiber's message: it quotes the request, including the key.
		text := strings.ToLower(http.StatusText(f.Code))
		return f.Code, typed(body, f.Code, strings.ReplaceAll(text, " ", "_"), text)
	}
	f := fault.From(err)
	a := cmp.Or(answers[f.Kind], answers[fault.Internal])
	if f.Kind == fault.Conflict {
		a.status = cmp.Or(conflicts[f.Code], a.status)
	}
	if a.status == fiber.StatusServiceUnavailable || a.status == fiber.StatusTooManyRequests || f.RetryAfter > 0 {
		wait := cmp.Or(max(f.RetryAfter, 0), a.wait, time.Second)
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	body.Param = f.Param
	if f.Kind == fault.Declined {
		card := publicFailure(f.Code, f.DeclineCode, f.Message)
		body.Type, body.Code, body.DeclineCode, body.Message = api.CardError, card.Code, card.DeclineCode, card.Message
		return a.status, body
	}
	if f.Message != "" && !a.private {
		a.message = f.Message
	}
	return a.status, typed(body, a.status, cmp.Or(a.code, f.Code, f.Kind.String()), a.message)
}

// typed completes the body of an error that is not the card's.
func typed(body api.PaymentError, status int, code, message string) api.PaymentError {
	body.Type, body.Code, body.Message = api.ValidationError, code, message
	if status >= fiber.StatusInternalServerError || status == fiber.StatusTooManyRequests || status == fiber.StatusUnauthorized || status == fiber.StatusForbidden {
		body.Type = api.ApiError
	}
	return body
}

// publicFailure hides the reason why a card was declined if the buyer must not learn it.
// Source: docs.stripe.com/declines/codes.
func publicFailure(code, declineCode, message string) api.Failure {
	switch declineCode {
	case "fraudulent", "lost_card", "stolen_card", "merchant_blacklist", "pickup_card":
		declineCode, message = "generic_decline", ""
	}
	return api.Failure{
		Type: string(api.CardError), Code: cmp.Or(code, "card_declined"), DeclineCode: declineCode,
		Message: cmp.Or(message, answers[fault.Declined].message),
	}
}
