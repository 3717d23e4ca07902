package mailgunsim

import (
	"net/http"
	"strconv"
	"time"

	"patchbay/tests/faultserver"
)

// realm is what Mailgun asks for a key for. Its 401 is no JSON.
const realm = `Basic realm="MG API"`

const magnificent = "Mailgun Magnificent API"

// Mailgun's own answers when it does not take the mail.

// BadRecipient is a 400 about an address, which it quotes.
func BadRecipient() faultserver.Mishap {
	return says(http.StatusBadRequest, "'to' parameter is not a valid address: ada@example.com", nil)
}

// Unauthorized is a 401 about the key.
func Unauthorized() faultserver.Mishap {
	return faultserver.Answer(http.StatusUnauthorized, map[string]string{"WWW-Authenticate": realm}, "Forbidden")
}

// BadSender is a 400 about the sender, as a message from one is answered.
func BadSender() faultserver.Mishap { return says(http.StatusBadRequest, badSender, nil) }

// Sandboxed is a 403 about the recipient: the domain may send to a few alone.
func Sandboxed() faultserver.Mishap {
	return says(http.StatusForbidden, "Domain mg.example.com is not allowed to send: Sandbox subdomains are for test purposes only. "+
		"Please add your own domain or add the address to authorized recipients in Account Settings.", nil)
}

// Unverified is a 403 about the domain of the account.
func Unverified() faultserver.Mishap {
	return says(http.StatusForbidden, "The domain mg.example.com is not allowed to send: The domain is unverified and requires DNS configuration. "+
		"Log in to your control panel to view required DNS records.", nil)
}

// Suspended is a 403 about the account.
func Suspended() faultserver.Mishap {
	return says(http.StatusForbidden, "Domain mg.example.com is not allowed to send: account disabled", nil)
}

// PaymentRequired is a 402: the account is used up.
func PaymentRequired() faultserver.Mishap {
	return says(http.StatusPaymentRequired, "Payment required", nil)
}

// NoDomain is a 404.
func NoDomain() faultserver.Mishap {
	return says(http.StatusNotFound, "Domain not found: mg.example.com", nil)
}

// RateLimited is a 429 that says when to come again.
func RateLimited(after time.Duration) faultserver.Mishap {
	return says(http.StatusTooManyRequests, "Too many requests", map[string]string{"Retry-After": strconv.Itoa(int(after / time.Second))})
}

// ServiceUnavailable is a 503.
func ServiceUnavailable() faultserver.Mishap {
	return says(http.StatusServiceUnavailable, "Service unavailable", nil)
}

// ServerError is a 500 that is no JSON.
func ServerError() faultserver.Mishap {
	return faultserver.Answer(http.StatusInternalServerError, nil, "<html>oops</html>")
}

// Magnificent is the 200 of whatever is no part of the API.
func Magnificent() faultserver.Mishap {
	return faultserver.Answer(http.StatusOK, map[string]string{"Content-Type": "text/plain"}, magnificent)
}

// Says is an answer of this status in Mailgun's own words.
func Says(status int) faultserver.Mishap { return says(status, "No.", nil) }

func says(status int, message string, header map[string]string) faultserver.Mishap {
	all := map[string]string{"Content-Type": "application/json"}
	for name, value := range header {
		all[name] = value
	}
	return faultserver.Answer(status, all, errorBody(message))
}
