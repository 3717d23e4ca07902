package sendgridmail

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/core/fault"
	"patchbay/core/message"
)

// table is what SendGrid's own refusals mean. Of what SendGrid says of a sender, the
// field is the surest; 403 is also how it refuses a key without the right to send, and an
// account.
var table = []refusal.Rule{
	{Status: []int{403}, Field: "from", Means: refusal.Sender},
	{Status: []int{400, 403}, Words: []string{"verified sender identity"}, Means: refusal.Sender},
	{Status: []int{400}, Field: "from", Means: refusal.BadSender},
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
	{Status: []int{429}, Means: refusal.TooFast},
	{Status: []int{503}, Means: refusal.Away},
}

// failure maps an exchange to an error, nil where SendGrid has taken the mail.
//
// SendGrid takes mail with 202 alone; its sandbox answers 200 and sends nothing. A
// refusal counts in SendGrid's own words alone, as its JSON is: what stands between
// refuses with any status, also once SendGrid has taken the mail. A 503 of its own
// is not accepted. Any other 5xx, a connection that broke, and what nobody has heard
// of prove nothing.
func (s *Mailer) failure(m message.Message, x *httpclient.Exchange, err error) error {
	if err != nil && x.Status() == 0 {
		return s.named(x.Unanswered(err))
	}
	if x.Status() == http.StatusAccepted {
		return nil // also where the rest of the answer is lost
	}
	means, said := refusal.Read(table, x.Status(), s.said(m, x))
	f := means.Error(
		&fault.Answer{Status: x.Status(), Field: said.Field, Words: said.Words},
		fmt.Errorf("the answer is %d %s", x.Status(), http.StatusText(x.Status())),
	)
	f.RetryAfter = retryAfter(x, time.Now())
	return s.named(f)
}

// said is what SendGrid itself says is wrong, nothing where the answer is none of
// SendGrid's.
func (s *Mailer) said(m message.Message, x *httpclient.Exchange) (all []refusal.Said) {
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
			all = append(all, refusal.Blank(refusal.Said{Field: e.Field, Words: e.Message}, m, s.key))
		}
	}
	return all
}

// retryAfter is what the answer asks for: in the usual header, or, with SendGrid's
// 429, as the time at which its count begins again.
func retryAfter(x *httpclient.Exchange, now time.Time) time.Duration {
	if after := x.RetryAfter(); after > 0 || x.Status() != http.StatusTooManyRequests {
		return after
	}
	reset, err := strconv.ParseInt(x.Header("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return min(max(time.Unix(reset, 0).Sub(now), 0), time.Hour)
}

// named tells where an error comes from.
func (s *Mailer) named(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "sendgridmail.send", s.name
	return f
}
