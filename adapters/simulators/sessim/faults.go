package sessim

import (
	"encoding/json"
	"net/http"
	"time"

	"patchbay/adapters/simulators/faultserver"
)

// SES's own responses to mail that it does not accept.

// BadRecipient answers 400 about an address, which the message quotes.
func BadRecipient() faultserver.Mishap {
	return Says(http.StatusBadRequest, "BadRequestException", "Invalid domain name in 'ada@example.com'")
}

// Unauthorized answers 403 about the access key.
func Unauthorized() faultserver.Mishap {
	return Says(unknownKey.status, unknownKey.name, unknownKey.message)
}

// Expired answers 403 about a session token that has expired.
func Expired() faultserver.Mishap {
	return Says(http.StatusForbidden, "ExpiredTokenException", "The security token included in the request is expired")
}

// Skewed answers 403 about a signature that is an hour too old.
func Skewed() faultserver.Mishap {
	return faultserver.EachTime(func() faultserver.Mishap {
		bad := expired(time.Now().Add(-time.Hour).UTC(), time.Now())
		return Says(bad.status, bad.name, bad.message)
	})
}

// UnverifiedSender answers 400 about the sender, like the simulator itself.
func UnverifiedSender(sender string) faultserver.Mishap {
	bad := unverified("us-east-1", sender)
	return Says(bad.status, bad.name, bad.message)
}

// Suspended answers 400 about the suspended account.
func Suspended() faultserver.Mishap {
	return Says(http.StatusBadRequest, "AccountSuspendedException", "The account's ability to send email has been permanently restricted.")
}

// Paused answers 400 about the account whose sending is paused.
func Paused() faultserver.Mishap {
	return Says(http.StatusBadRequest, "SendingPausedException", "Email sending has been disabled for this account.")
}

// QuotaExceeded answers 429 about the quota of the day.
func QuotaExceeded() faultserver.Mishap {
	return Says(http.StatusTooManyRequests, "TooManyRequestsException", "Daily message quota exceeded.")
}

// RateLimited answers 429. SES does not say when to try again.
func RateLimited() faultserver.Mishap {
	return Says(http.StatusTooManyRequests, "TooManyRequestsException", "Maximum sending rate exceeded.")
}

// ServiceUnavailable answers 503.
func ServiceUnavailable() faultserver.Mishap {
	return Says(http.StatusServiceUnavailable, "ServiceUnavailableException", "The service is temporarily unavailable.")
}

// ServerError answers 500, which does not say what became of the message.
func ServerError() faultserver.Mishap {
	return Says(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
}

// Says answers with this status and an error in SES's form.
func Says(status int, name, message string) faultserver.Mishap {
	body, err := json.Marshal((&wrong{status, name, message}).body())
	if err != nil {
		panic(err)
	}
	return faultserver.Answer(status, map[string]string{
		"Content-Type": "application/json", "X-Amzn-Requestid": requestID(), "X-Amzn-Errortype": name,
	}, string(body))
}

// FaultsByName implements faultserver.ByName. Faults that are named after a code are refusals that the
// gateway shows with this code.
func (*Sim) FaultsByName() faultserver.Named {
	return faultserver.Connection().With(faultserver.Named{
		"401": {Mishap: Unauthorized()}, "429": {Mishap: RateLimited()}, "503": {Mishap: ServiceUnavailable()},
		"500_committed":       {Mishap: ServerError(), After: true},
		"recipient_rejected":  {Mishap: BadRecipient()},
		"sender_not_verified": {Mishap: UnverifiedSender("shop@example.com")},
		"account_suspended":   {Mishap: Suspended()},
		"quota_exceeded":      {Mishap: QuotaExceeded()},
	})
}
