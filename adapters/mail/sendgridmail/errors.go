package sendgridmail

import (
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// table maps SendGrid's refusals to their meaning. For errors about a sender, the field is
// the most reliable; 403 is also how SendGrid refuses a key without permission to send, and
// an account.
var table = []refusal.Rule{
	{Status: []int{403}, Field: "from", Means: refusal.SenderNotVerified},
	{Status: []int{400, 403}, Words: []string{"verified sender identity"}, Means: refusal.SenderNotVerified},
	{Status: []int{400}, Field: "from", Means: refusal.SenderRejected},
	{Status: []int{400, 404}, Field: "template_id", Means: refusal.UnknownTemplate},
	{Status: []int{400}, Field: "personalizations", Words: []string{"valid address"}, Means: refusal.Recipient},
	{Status: []int{400}, Words: []string{"does not contain a valid address"}, Means: refusal.Recipient},
	{Status: []int{401}, Words: []string{"maximum credits exceeded"}, Means: refusal.Exhausted},
	{Status: []int{401, 403}, Words: []string{"messaging limits"}, Means: refusal.Exhausted},
	{Status: []int{401, 403}, Words: []string{"account", "suspended"}, Means: refusal.Suspended},
	{Status: []int{401, 403}, Words: []string{"account", "disabled"}, Means: refusal.Suspended},
	{Status: []int{401, 403}, Words: []string{"account", "deactivated"}, Means: refusal.Suspended},
	{Status: []int{401, 403}, Words: []string{"account", "under review"}, Means: refusal.Suspended},
	{Status: []int{403}, Words: []string{"access forbidden"}, Means: refusal.Credentials},
	{Status: []int{401}, Means: refusal.Credentials},
	{Status: []int{403}, Means: refusal.Unclear},
	{Status: []int{400, 413}, Means: refusal.Message},
	{Status: []int{404, 405}, Means: refusal.Address},
	{Status: []int{429}, Means: refusal.RateLimited},
	{Status: []int{503}, Means: refusal.Unavailable},
}

// failure maps an exchange to an error. It returns nil if SendGrid has accepted the
// message.
//
// SendGrid accepts mail only with 202; its sandbox answers 200 and sends nothing. Only a
// refusal in SendGrid's own JSON counts: an intermediary may refuse with any status, even
// after SendGrid has accepted the message. A 503 from SendGrid means not accepted. Any
// other 5xx, a broken connection, and an unknown response prove nothing.
func (s *Mailer) failure(m email.Message, x *httpclient.Exchange, err error) error {
	if err != nil && x.Status() == 0 {
		return s.annotate(x.Unanswered(err))
	}
	if x.Status() == http.StatusAccepted {
		return nil // also if the rest of the response is lost
	}
	f := refusal.Error(table, x.Status(), s.providerErrors(m, x))
	f.RetryAfter = retryAfter(x)
	return s.annotate(f)
}

// providerErrors returns what SendGrid itself says is wrong, or nil if the response is not
// from SendGrid.
func (s *Mailer) providerErrors(m email.Message, x *httpclient.Exchange) (all []refusal.ProviderError) {
	var body struct {
		Errors []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
		} `json:"errors"`
	}
	if !x.DecodeRefusal(&body) {
		return nil
	}
	for _, e := range body.Errors {
		if e.Message != "" {
			all = append(all, refusal.Redact(refusal.ProviderError{Field: e.Field, Words: e.Message}, m, s.key))
		}
	}
	return all
}

// retryAfter returns the wait that the response asks for: in the usual header or, with
// SendGrid's 429, as the time at which its limit resets.
func retryAfter(x *httpclient.Exchange) time.Duration {
	if after := x.RetryAfter(); after > 0 || x.Status() != http.StatusTooManyRequests {
		return after
	}
	reset, err := strconv.ParseInt(x.Header("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return min(max(time.Unix(reset, 0).Sub(x.At()), 0), time.Hour)
}

// annotate sets the operation and the provider in an error.
func (s *Mailer) annotate(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "sendgridmail.send", s.name
	return f
}
