package resendsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// Resend's own responses to mail that it does not accept.

// BadRecipient answers 422 about an address, which the message quotes.
func BadRecipient() faultserver.Mishap {
	return Says(http.StatusUnprocessableEntity, "validation_error", invalidField("to")+" ada@example.com")
}

// Unauthorized answers 401 about the API key.
func Unauthorized() faultserver.Mishap {
	return Says(invalidKey.status, invalidKey.name, invalidKey.message)
}

// UnverifiedSender answers 403 about the sender, like the simulator itself for an unverified sender.
func UnverifiedSender() faultserver.Mishap {
	return Says(unverified.status, unverified.name, unverified.message)
}

// Suspended answers 403 about the suspended account.
func Suspended() faultserver.Mishap {
	return Says(http.StatusForbidden, "validation_error", "Your account has been suspended. Please contact support.")
}

// QuotaExceeded answers 429 about the quota of the month.
func QuotaExceeded() faultserver.Mishap {
	return Says(http.StatusTooManyRequests, "monthly_quota_exceeded", "You have reached your monthly email sending quota.")
}

// RateLimited answers 429 with the seconds until the limit is reset.
func RateLimited(after time.Duration) faultserver.Mishap {
	return says(http.StatusTooManyRequests, "rate_limit_exceeded", "Too many requests. You can only make 2 requests per second.", map[string]string{
		"ratelimit-limit": "2", "ratelimit-remaining": "0", "ratelimit-reset": strconv.Itoa(int(after.Seconds())),
	})
}

// InProgress answers 409, as to a repeat of a request that is in progress.
func InProgress() faultserver.Mishap {
	return Says(concurrent.status, concurrent.name, concurrent.message)
}

// ServiceUnavailable answers 503.
func ServiceUnavailable() faultserver.Mishap {
	return Says(http.StatusServiceUnavailable, "service_unavailable", "Service unavailable")
}

// ServerError answers 500, which does not say what became of the message.
func ServerError() faultserver.Mishap {
	return Says(http.StatusInternalServerError, "application_error", "An unexpected error occurred.")
}

// Says answers with this status and an error in Resend's format.
func Says(status int, name, message string) faultserver.Mishap {
	return says(status, name, message, nil)
}

func says(status int, name, message string, header map[string]string) faultserver.Mishap {
	body, err := json.Marshal((&wrong{status, name, message}).body())
	if err != nil {
		panic(err)
	}
	all := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	maps.Copy(all, header)
	return faultserver.Answer(status, all, string(body))
}

// FaultsByName implements faultserver.ByName. Faults that are named after a code are refusals that the
// gateway shows with this code.
func (*Sim) FaultsByName() faultserver.Named {
	return faultserver.Connection().With(faultserver.Named{
		"401": {Mishap: Unauthorized()}, "429": {Mishap: RateLimited(time.Second)}, "503": {Mishap: ServiceUnavailable()},
		"500_committed":       {Mishap: ServerError(), After: true},
		"recipient_rejected":  {Mishap: BadRecipient()},
		"sender_not_verified": {Mishap: UnverifiedSender()},
		"account_suspended":   {Mishap: Suspended()},
		"quota_exceeded":      {Mishap: QuotaExceeded()},
	})
}
