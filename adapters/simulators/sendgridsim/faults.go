package sendgridsim

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// SendGrid's own responses to mail that it does not accept.

// BadRecipient answers 400 about an address, which the message quotes.
func BadRecipient() faultserver.Mishap {
	return respond(http.StatusBadRequest, "Does not contain a valid address: ada@example.com", nil)
}

// Unauthorized answers 401 about the API key.
func Unauthorized() faultserver.Mishap {
	return respond(http.StatusUnauthorized, "The provided authorization grant is invalid, expired, or revoked", nil)
}

// UnverifiedSender answers 403 about the sender, like the simulator itself for an unverified
// sender.
func UnverifiedSender() faultserver.Mishap {
	return faultserver.Answer(http.StatusForbidden, jsonHeader, errorBody(unverified.message, unverified.field))
}

// KeyWithoutScope answers 403 about an API key that may not send.
func KeyWithoutScope() faultserver.Mishap {
	return respond(http.StatusForbidden, "access forbidden", nil)
}

// Suspended answers 403 about the suspended account.
func Suspended() faultserver.Mishap {
	return respond(http.StatusForbidden, "Your account has been suspended. Please contact support.", nil)
}

// CreditsExceeded answers 401 about an account without credits.
func CreditsExceeded() faultserver.Mishap {
	return respond(http.StatusUnauthorized, "Maximum credits exceeded", nil)
}

// RateLimited answers 429 with the time at which the limit is reset.
func RateLimited(after time.Duration) faultserver.Mishap {
	return faultserver.EachTime(func() faultserver.Mishap {
		return respond(http.StatusTooManyRequests, "too many requests", map[string]string{
			"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0",
			"X-RateLimit-Reset": strconv.FormatInt(time.Now().Add(after).Unix(), 10),
		})
	})
}

// ServiceUnavailable answers 503.
func ServiceUnavailable() faultserver.Mishap {
	return respond(http.StatusServiceUnavailable, "service unavailable", nil)
}

// ServerError answers 500 with a body that is not JSON.
func ServerError() faultserver.Mishap {
	return faultserver.Answer(http.StatusInternalServerError, nil, "<html>oops</html>")
}

// Sandboxed answers 200, as for mail in sandbox mode, which is not delivered.
func Sandboxed() faultserver.Mishap { return faultserver.Answer(http.StatusOK, nil, "") }

// Says answers with this status and an error in SendGrid's format.
func Says(status int) faultserver.Mishap { return respond(status, "No.", nil) }

var jsonHeader = map[string]string{"Content-Type": "application/json"}

func respond(status int, message string, header map[string]string) faultserver.Mishap {
	all := maps.Clone(jsonHeader)
	maps.Copy(all, header)
	return faultserver.Answer(status, all, errorBody(message, ""))
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
		"quota_exceeded":      {Mishap: CreditsExceeded()},
	})
}
