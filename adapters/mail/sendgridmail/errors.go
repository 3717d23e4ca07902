package sendgridmail

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// failure maps an exchange to an error, nil where SendGrid has taken the mail. Its
// words are not passed on: they may quote an address.
//
// SendGrid takes mail with 202 alone; its sandbox answers 200 and sends nothing. A
// refusal counts in SendGrid's own words alone, as its JSON is: what stands between
// refuses with any status, also once SendGrid has taken the mail. A 503 of its own
// is not accepted. Any other 5xx, a connection that broke, and what nobody has heard
// of prove nothing.
func (s *Mailer) failure(x *httpclient.Exchange, err error) error {
	if err != nil && x.Status() == 0 {
		return s.named(x.Unanswered(err))
	}
	if x.Status() == http.StatusAccepted {
		return nil // also where the rest of the answer is lost
	}
	said, code, message := fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
	if words := spoken(x); words != nil {
		said, code, message = refusal(x.Status(), words)
	}
	f := s.fault(said, code, message, fmt.Errorf("the answer is %d %s", x.Status(), http.StatusText(x.Status())))
	f.RetryAfter = retryAfter(x, time.Now())
	return f
}

// refusal is what an answer of SendGrid's own means.
func refusal(status int, words []string) (kind fault.Kind, code, message string) {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return fault.Invalid, "rejected", "the provider refuses this message"
	case http.StatusUnauthorized:
		if exhausted(words) {
			return fault.QuotaExceeded, "quota_exceeded", "the account at the provider is used up"
		}
		return fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials"
	case http.StatusForbidden: // mostly about the sender
		return fault.Refused, "provider_refused", "the provider does not let the gateway send this"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fault.Unauthorized, "provider_misconfigured", "the provider is not at its base URL"
	case http.StatusTooManyRequests:
		return fault.RateLimited, "rate_limit", "the provider asks for fewer requests"
	case http.StatusServiceUnavailable:
		return fault.Unavailable, "unavailable", "the provider is not available; nothing was sent"
	}
	return fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
}

// spoken is what SendGrid itself says is wrong, nil where the answer is none of
// SendGrid's.
func spoken(x *httpclient.Exchange) (words []string) {
	var body struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if !x.DecodeRefusal(&body) {
		return nil
	}
	for _, e := range body.Errors {
		if e.Message != "" {
			words = append(words, e.Message)
		}
	}
	return words
}

// exhausted reports whether a 401 is about the account's credits, which SendGrid
// tells by its words alone.
func exhausted(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.Contains(strings.ToLower(w), "maximum credits exceeded")
	})
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
