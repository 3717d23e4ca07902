package sendgridsim

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"patchbay/tests/faultserver"
)

// SendGrid's own answers when it does not take the mail.

// BadRecipient is a 400 about an address, which it quotes.
func BadRecipient() faultserver.Mishap {
	return says(http.StatusBadRequest, "Does not contain a valid address: ada@example.com", nil)
}

// Unauthorized is a 401 about the key.
func Unauthorized() faultserver.Mishap {
	return says(http.StatusUnauthorized, "The provided authorization grant is invalid, expired, or revoked", nil)
}

// UnverifiedSender is a 403 about the sender, as a request from one is answered.
func UnverifiedSender() faultserver.Mishap {
	return faultserver.Answer(http.StatusForbidden, jsonHeader, errorBody(unverified.message, unverified.field))
}

// KeyWithoutScope is a 403 about the key, which may not send.
func KeyWithoutScope() faultserver.Mishap { return says(http.StatusForbidden, "access forbidden", nil) }

// Suspended is a 403 about the account.
func Suspended() faultserver.Mishap {
	return says(http.StatusForbidden, "Your account has been suspended. Please contact support.", nil)
}

// CreditsExceeded is a 401 about the account, which is used up.
func CreditsExceeded() faultserver.Mishap {
	return says(http.StatusUnauthorized, "Maximum credits exceeded", nil)
}

// RateLimited is a 429 that says when the count begins again.
func RateLimited(after time.Duration) faultserver.Mishap {
	return says(http.StatusTooManyRequests, "too many requests", map[string]string{
		"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0",
		"X-RateLimit-Reset": strconv.FormatInt(time.Now().Add(after).Unix(), 10),
	})
}

// ServiceUnavailable is a 503.
func ServiceUnavailable() faultserver.Mishap {
	return says(http.StatusServiceUnavailable, "service unavailable", nil)
}

// ServerError is a 500 that is no JSON.
func ServerError() faultserver.Mishap {
	return faultserver.Answer(http.StatusInternalServerError, nil, "<html>oops</html>")
}

// Sandboxed is the 200 of a mail that goes nowhere.
func Sandboxed() faultserver.Mishap { return faultserver.Answer(http.StatusOK, nil, "") }

// Says is an answer of this status in SendGrid's own words.
func Says(status int) faultserver.Mishap { return says(status, "No.", nil) }

var jsonHeader = map[string]string{"Content-Type": "application/json"}

func says(status int, message string, header map[string]string) faultserver.Mishap {
	all := maps.Clone(jsonHeader)
	maps.Copy(all, header)
	return faultserver.Answer(status, all, errorBody(message, ""))
}
