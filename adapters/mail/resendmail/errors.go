package resendmail

import (
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// The meanings that only Resend's answers have.
var (
	// inProgress is for a repeat that came before the first call has ended.
	inProgress = refusal.Meaning{
		Kind: fault.UnknownOutcome, Code: "in_progress",
		Message: "the provider is still working on an earlier call of this attempt",
	}
	// otherRequest is for a repeat that is not the same as the first call, as after a change of this
	// program: the provider knows the attempt, and says no more of it.
	otherRequest = refusal.Meaning{
		Kind: fault.UnknownOutcome, Code: "key_reused", Permanent: true,
		Message: "the provider knows this attempt by another request, and does not say what became of it",
	}
)

// table maps Resend's errors, by status and name, to their meaning. The name validation_error stands
// for errors of the message, of its sender, of a recipient and of the key, which only words tell apart.
// security_error, about a message that may do harm, is of this message.
//
// Source: https://resend.com/docs/api-reference/errors
var table = []refusal.Rule{
	{Status: []int{409}, Field: "concurrent_idempotent_requests", Means: inProgress},
	{Status: []int{409}, Field: "invalid_idempotent_request", Means: otherRequest},
	{Status: []int{400}, Field: "invalid_idempotency_key", Means: refusal.Unclear},
	{Status: []int{400, 401, 403}, Field: "validation_error", Words: []string{"api key is invalid"}, Means: refusal.Credentials},
	{Status: []int{400, 401, 403}, Field: "invalid_api_key", Means: refusal.Credentials},
	{Status: []int{401, 403}, Words: []string{"suspended"}, Means: refusal.Suspended},
	{Status: []int{401, 403}, Words: []string{"account", "disabled"}, Means: refusal.Suspended},
	{Status: []int{401, 403}, Words: []string{"is not verified"}, Means: refusal.SenderNotVerified},
	{Status: []int{401, 403}, Words: []string{"not authorized to send emails from"}, Means: refusal.SenderNotVerified},
	{Status: []int{403}, Words: []string{"only send testing emails"}, Means: refusal.RecipientNotAuthorized},
	{Status: []int{401}, Means: refusal.Credentials},
	{Status: []int{403}, Means: refusal.Unclear},
	{Status: []int{404, 405}, Means: refusal.Address},
	{Status: []int{400, 422}, Field: "invalid_from_address", Means: refusal.SenderRejected},
	{Status: []int{400, 422}, Words: []string{"`from`"}, Means: refusal.SenderRejected},
	{Status: []int{400, 422}, Field: "invalid_attachment", Means: refusal.Attachment},
	{Status: []int{400, 422}, Words: []string{"`to`"}, Means: refusal.Recipient},
	{Status: []int{400, 422}, Words: []string{"`cc`"}, Means: refusal.Recipient},
	{Status: []int{400, 422}, Words: []string{"`bcc`"}, Means: refusal.Recipient},
	{Status: []int{400, 413, 422}, Means: refusal.Message},
	{Status: []int{429}, Field: "daily_quota_exceeded", Means: refusal.Exhausted},
	{Status: []int{429}, Field: "monthly_quota_exceeded", Means: refusal.Exhausted},
	{Status: []int{429}, Means: refusal.RateLimited},
	{Status: []int{451}, Field: "security_error", Means: refusal.Unclear},
	{Status: []int{503}, Means: refusal.Unavailable},
}

// failure maps an exchange to an error. It returns nil if Resend has accepted the message: with 200
// and an id.
//
// Only a refusal in Resend's own JSON counts: an intermediary may refuse with any status, even after
// Resend has accepted the message. A 503 from Resend means not accepted. Any other 5xx, a broken
// connection, and an unknown response prove nothing.
func (r *Mailer) failure(m email.Message, x *httpclient.Exchange, id string, err error) error {
	if x.Status() == 0 {
		return r.annotate(x.Unanswered(err))
	}
	if x.Status() == http.StatusOK && id != "" && err == nil {
		return nil
	}
	f := refusal.Error(table, x.Status(), r.providerErrors(m, x))
	f.RetryAfter = retryAfter(x)
	f.Blameless = f.Code == inProgress.Code // it waits for its own call
	return r.annotate(f)
}

// providerErrors returns what Resend itself says is wrong, or nil if the response is not from Resend.
func (r *Mailer) providerErrors(m email.Message, x *httpclient.Exchange) []refusal.ProviderError {
	var body struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	}
	if !x.DecodeRefusal(&body) || body.Name == "" {
		return nil
	}
	return []refusal.ProviderError{refusal.Redact(refusal.ProviderError{Field: body.Name, Words: body.Message}, m, r.key)}
}

// retryAfter returns the wait that the response asks for: in the usual header or, with a 429, as the
// seconds until the limit is reset.
func retryAfter(x *httpclient.Exchange) time.Duration {
	if after := x.RetryAfter(); after > 0 || x.Status() != http.StatusTooManyRequests {
		return after
	}
	seconds, err := strconv.ParseInt(x.Header("ratelimit-reset"), 10, 32)
	if err != nil {
		return 0
	}
	return min(max(time.Duration(seconds)*time.Second, 0), time.Hour)
}

// annotate sets the operation and the provider in an error.
func (r *Mailer) annotate(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "resendmail.send", r.name
	return f
}
