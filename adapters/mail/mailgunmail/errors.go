package mailgunmail

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"patchbay/adapters/httpclient"
	"patchbay/core/fault"
)

// failure maps an exchange to an error, nil where Mailgun has taken the mail: with
// 200 and an id. Its words are not passed on: they may quote an address.
//
// An unknown domain is a mistake in our configuration, and so as bad as a wrong
// key: others must send until somebody has mended it. 420 is Mailgun's own, for a
// domain that has sent to as many as it may for now. A 503 is not accepted. Any
// other 5xx, a connection that broke, and what nobody has heard of prove nothing;
// nor does a 200 without an id, such as "Mailgun Magnificent API", which Mailgun
// says wherever nothing is: the library does not show its text.
func (g *Mailer) failure(x *httpclient.Exchange, id string, err error) error {
	var wire *url.Error
	switch {
	case x.Status() != 0:
	case !x.Written() && !errors.As(err, &wire): // the library itself refuses
		return g.fault(fault.Invalid, "rejected", "the message cannot be sent", nil)
	default:
		return g.named(x.Unanswered(err))
	}
	var kind fault.Kind
	var code, message string
	switch status := x.Status(); {
	case status == http.StatusOK && strings.Contains(id, "@") && err == nil: // <…@mg.example.com>
		return nil
	case status == http.StatusBadRequest, status == http.StatusRequestEntityTooLarge:
		kind, code, message = fault.Invalid, "rejected", "the provider refuses this message"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		kind, code, message = fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials"
	case status == http.StatusPaymentRequired:
		kind, code, message = fault.QuotaExceeded, "quota_exceeded", "the account at the provider is used up"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		kind, code, message = fault.Unauthorized, "provider_misconfigured", "the provider does not know the domain, or is not at its base URL"
	case status == http.StatusTooManyRequests, status == 420:
		kind, code, message = fault.RateLimited, "rate_limit", "the provider asks for fewer requests"
	case status == http.StatusServiceUnavailable:
		kind, code, message = fault.Unavailable, "unavailable", "the provider is not available; nothing was sent"
	default:
		kind, code, message = fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
	}
	f := g.fault(kind, code, message, fmt.Errorf("the answer is %d %s", x.Status(), http.StatusText(x.Status())))
	f.RetryAfter = x.RetryAfter()
	return f
}

func (g *Mailer) fault(kind fault.Kind, code, message string, err error) *fault.Error {
	return g.named(&fault.Error{Kind: kind, Code: code, Message: message, Err: err})
}

// named tells where an error comes from.
func (g *Mailer) named(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "mailgunmail.send", g.name
	return f
}
