package mailgunsim

import (
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// realm is the WWW-Authenticate header of Mailgun's 401, whose body is not JSON.
const realm = `Basic realm="MG API"`

const magnificent = "Mailgun Magnificent API"

// Mailgun's own responses to mail that it does not accept.

// BadRecipient answers 400 about an address, which the message quotes.
func BadRecipient() faultserver.Mishap {
	return respond(http.StatusBadRequest, "'to' parameter is not a valid address: ada@example.com", nil)
}

// Unauthorized answers 401 about the API key.
func Unauthorized() faultserver.Mishap {
	return faultserver.Answer(http.StatusUnauthorized, map[string]string{"WWW-Authenticate": realm}, "Forbidden")
}

// BadSender answers 400 about the sender, like the simulator itself for an unknown sender.
func BadSender() faultserver.Mishap { return respond(http.StatusBadRequest, badSender, nil) }

// Sandboxed answers 403 about the recipient: a sandbox domain may only send to authorized
// recipients.
func Sandboxed() faultserver.Mishap {
	return respond(http.StatusForbidden, "Domain mg.example.com is not allowed to send: Sandbox subdomains are for test purposes only. "+
		"Please add your own domain or add the address to authorized recipients in Account Settings.", nil)
}

// Unverified answers 403 about the unverified domain.
func Unverified() faultserver.Mishap {
	return respond(http.StatusForbidden, "The domain mg.example.com is not allowed to send: The domain is unverified and requires DNS configuration. "+
		"Log in to your control panel to view required DNS records.", nil)
}

// Suspended answers 403 about the suspended account.
func Suspended() faultserver.Mishap {
	return respond(http.StatusForbidden, "Domain mg.example.com is not allowed to send: account disabled", nil)
}

// PaymentRequired answers 402: the account has used up its quota.
func PaymentRequired() faultserver.Mishap {
	return respond(http.StatusPaymentRequired, "Payment required", nil)
}

// NoDomain answers 404 about the domain.
func NoDomain() faultserver.Mishap {
	return respond(http.StatusNotFound, "Domain not found: mg.example.com", nil)
}

// RateLimited answers 429 with a Retry-After header.
func RateLimited(after time.Duration) faultserver.Mishap {
	return respond(http.StatusTooManyRequests, "Too many requests", map[string]string{"Retry-After": strconv.Itoa(int(after / time.Second))})
}

// ServiceUnavailable answers 503.
func ServiceUnavailable() faultserver.Mishap {
	return respond(http.StatusServiceUnavailable, "Service unavailable", nil)
}

// ServerError answers 500 with a body that is not JSON.
func ServerError() faultserver.Mishap {
	return faultserver.Answer(http.StatusInternalServerError, nil, "<html>oops</html>")
}

// Magnificent answers 200, as Mailgun does for paths outside its API.
func Magnificent() faultserver.Mishap {
	return faultserver.Answer(http.StatusOK, map[string]string{"Content-Type": "text/plain"}, magnificent)
}

// Says answers with this status and an error in Mailgun's format.
func Says(status int) faultserver.Mishap { return respond(status, "No.", nil) }

func respond(status int, message string, header map[string]string) faultserver.Mishap {
	all := map[string]string{"Content-Type": "application/json"}
	for name, value := range header {
		all[name] = value
	}
	return faultserver.Answer(status, all, errorBody(message))
}

// FaultsByName implements faultserver.ByName. Faults that are named after a code are refusals that the
// gateway shows with this code.
func (*Sim) FaultsByName() faultserver.Named {
	return faultserver.Connection().With(faultserver.Named{
		"401": {Mishap: Unauthorized()}, "429": {Mishap: RateLimited(time.Second)}, "503": {Mishap: ServiceUnavailable()},
		"500_committed":      {Mishap: ServerError(), After: true},
		"recipient_rejected": {Mishap: BadRecipient()},
		"sender_rejected":    {Mishap: BadSender()},
		"account_suspended":  {Mishap: Suspended()},
		"quota_exceeded":     {Mishap: PaymentRequired()},
	})
}
