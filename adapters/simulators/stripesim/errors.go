package stripesim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// failure is an error in Stripe's format.
type failure struct {
	status   int
	executed bool // execution had begun, so that the idempotency key is used up

	Type        string `json:"type"`
	Code        string `json:"code,omitempty"`
	DeclineCode string `json:"decline_code,omitempty"`
	Message     string `json:"message"`
	Param       string `json:"param,omitempty"`
	Charge      string `json:"charge,omitempty"`
	Intent      object `json:"payment_intent,omitempty"`
}

func refuse(f *failure) answered {
	body, err := json.Marshal(map[string]*failure{"error": f})
	if err != nil {
		panic(err)
	}
	return answered{f.status, body}
}

// invalid is the error for a request that fails validation.
func invalid(code, param, message string) *failure {
	return &failure{status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

// impossible is the error for a request that the object's state does not allow.
func impossible(code, param, message string) *failure {
	f := invalid(code, param, message)
	f.executed = true
	return f
}

func missing(param, what, id string) *failure {
	f := invalid("resource_missing", param, fmt.Sprintf("No such %s: '%s'", what, id))
	f.status = http.StatusNotFound
	return f
}

func unauthorized(key string) *failure {
	message := "You did not provide an API key."
	if key != "" {
		message = "Invalid API Key provided: " + key[:min(len(key), 8)] + "****"
	}
	return &failure{status: http.StatusUnauthorized, Type: "invalid_request_error", Message: message}
}

// forbidden is the error for a restricted key.
func forbidden(account string) *failure {
	return &failure{
		status: http.StatusForbidden, Type: "invalid_request_error",
		Message: "The provided key 'rk_test_****' does not have the required permissions for this endpoint on account '" + account + "'.",
	}
}

func keyInUse() *failure {
	return &failure{
		status: http.StatusConflict, Type: "invalid_request_error", Code: "idempotency_key_in_use",
		Message: "There is currently another in-progress request using this Idempotent Key.",
	}
}

func otherRequest(key string) *failure {
	return &failure{
		status: http.StatusBadRequest, Type: "idempotency_error",
		Message: "Keys for idempotent requests can only be used with the same parameters they were first used with: " + key,
	}
}

func serverError() *failure {
	return &failure{status: http.StatusInternalServerError, Type: "api_error", Message: "An unknown error occurred"}
}

// state is the error for an action that the intent's status does not allow.
func (i *intent) state(doing string) *failure {
	f := impossible("payment_intent_unexpected_state", "",
		"You cannot "+doing+" this PaymentIntent because it has a status of "+string(i.status)+".")
	f.Intent = i.object(false)
	return f
}
