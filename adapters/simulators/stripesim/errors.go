package stripesim

import (
	"fmt"
	"net/http"

	"patchbay/core/fault"
)

// Failure is an error in Stripe's format.
type Failure struct {
	status   int
	executed bool   // execution had begun, so that the idempotency key is used up
	about    bool   // it contains the intent
	wait     string // the header Retry-After

	Type        string        `json:"type"`
	Code        string        `json:"code,omitempty"`
	DeclineCode string        `json:"decline_code,omitempty"`
	Message     string        `json:"message"`
	Param       string        `json:"param,omitempty"`
	Charge      string        `json:"charge,omitempty"`
	Intent      *intentObject `json:"payment_intent,omitempty"`
}

// after sets the header Retry-After.
func (f *Failure) after(seconds string) *Failure {
	f.wait = seconds
	return f
}

func refuse(f *Failure) answered {
	return answered{status: f.status, wait: f.wait, body: mustMarshal(map[string]*Failure{"error": f})}
}

// invalid is the error for a request that fails validation.
func invalid(code, param, message string) *Failure {
	return &Failure{status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

// impossible is the error for a request that the object's state does not allow.
func impossible(code, param, message string) *Failure {
	f := invalid(code, param, message)
	f.executed = true
	return f
}

func missing(param, what, id string) *Failure {
	f := invalid("resource_missing", param, fmt.Sprintf("No such %s: '%s'", what, id))
	f.status = http.StatusNotFound
	return f
}

func unauthorized(key string) *Failure {
	message := "You did not provide an API key."
	if key != "" {
		message = "Invalid API Key provided: " + key[:min(len(key), 8)] + "****"
	}
	return &Failure{status: http.StatusUnauthorized, Type: "invalid_request_error", Message: message}
}

// forbidden is the error for a restricted key.
func forbidden(account string) *Failure {
	return &Failure{
		status: http.StatusForbidden, Type: "invalid_request_error",
		Message: "The provided key 'rk_test_****' does not have the required permissions for this endpoint on account '" + account + "'.",
	}
}

func noPermission() *Failure {
	return &Failure{
		status: http.StatusForbidden, Type: "invalid_request_error", Message: "The provided key does not have the required permissions.",
	}
}

func rateLimited() *Failure {
	return &Failure{
		status: http.StatusTooManyRequests, Type: "invalid_request_error", Code: "rate_limit", Message: "Too many requests.",
	}
}

func lockTimeout() *Failure {
	return &Failure{
		status: http.StatusTooManyRequests, Type: "invalid_request_error", Code: "lock_timeout", Message: "This object cannot be accessed right now.",
	}
}

func keyInUse() *Failure {
	return &Failure{
		status: http.StatusConflict, Type: "invalid_request_error", Code: "idempotency_key_in_use",
		Message: "There is currently another in-progress request using this Idempotent Key.",
	}
}

func otherRequest(key string) *Failure {
	return &Failure{
		status: http.StatusBadRequest, Type: "idempotency_error",
		Message: "Keys for idempotent requests can only be used with the same parameters they were first used with: " + key,
	}
}

func serverError() *Failure {
	return &Failure{status: http.StatusInternalServerError, Type: "api_error", Message: "An unknown error occurred"}
}

// state is the error for an action that the intent's status does not allow.
func (i *Intent) state(doing string) *Failure {
	f := impossible("payment_intent_unexpected_state", "",
		"You cannot "+doing+" this PaymentIntent because it has a status of "+string(i.State.Status)+".")
	f.about = true
	return f
}

// bookFailure is the answer to a request during which the Book failed. Only a Book that proves that
// nothing was written lets the request look as if it had not arrived.
func bookFailure(err error) answered {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Canceled:
		return answered{lost: refused, err: err}
	default:
		return answered{lost: silent, err: err}
	}
}
