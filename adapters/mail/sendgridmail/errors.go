package sendgridmail

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/rest"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// failure maps an exchange to an error, nil where SendGrid has taken the mail. Its
// words are not passed on: they may quote an address.
//
// SendGrid takes mail with 202 alone; its sandbox answers 200 and sends nothing. A
// 503 is not accepted. Any other 5xx, a connection that broke, and what nobody
// has heard of prove nothing.
func (s *Mailer) failure(x *httpclient.Exchange, resp *rest.Response, err error) error {
	if err != nil && x.Status() == 0 {
		return s.named(x.Unanswered(err))
	}
	var said fault.Kind
	var code, message string
	switch status := x.Status(); status {
	case http.StatusAccepted:
		return nil // also where the rest of the answer is lost
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		said, code, message = fault.Invalid, "rejected", "the provider refuses this message"
	case http.StatusUnauthorized:
		said, code, message = fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials"
		if exhausted(resp) {
			said, code, message = fault.QuotaExceeded, "quota_exceeded", "the account at the provider is used up"
		}
	case http.StatusForbidden:
		said, code, message = fault.Unauthorized, "provider_misconfigured", "the provider does not let the gateway send this"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		said, code, message = fault.Unauthorized, "provider_misconfigured", "the provider is not at its base URL"
	case http.StatusTooManyRequests:
		said, code, message = fault.RateLimited, "rate_limit", "the provider asks for fewer requests"
	case http.StatusServiceUnavailable:
		said, code, message = fault.Unavailable, "unavailable", "the provider is not available; nothing was sent"
	default:
		said, code, message = fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
	}
	f := s.fault(said, code, message, fmt.Errorf("the answer is %d %s", x.Status(), http.StatusText(x.Status())))
	f.RetryAfter = retryAfter(x, time.Now())
	return f
}

// exhausted reports whether a 401 is about the account's credits, which SendGrid
// tells by its words alone.
func exhausted(resp *rest.Response) bool {
	var body struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if resp == nil || json.Unmarshal([]byte(resp.Body), &body) != nil {
		return false
	}
	for _, e := range body.Errors {
		if strings.Contains(strings.ToLower(e.Message), "maximum credits exceeded") {
			return true
		}
	}
	return false
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

func (s *Mailer) fault(kind fault.Kind, code, message string, err error) *fault.Error {
	return s.named(&fault.Error{Kind: kind, Code: code, Message: message, Err: err})
}

// named tells where an error comes from.
func (s *Mailer) named(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "sendgridmail.send", s.name
	return f
}
