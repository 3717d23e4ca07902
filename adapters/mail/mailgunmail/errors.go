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
// A refusal counts in Mailgun's own words alone: what stands between refuses with
// any status, also once Mailgun has taken the mail. A 503 of its own is not accepted.
// Any other 5xx, a connection that broke, and what nobody has heard of prove nothing;
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
	if x.Status() == http.StatusOK && strings.Contains(id, "@") && err == nil { // <…@mg.example.com>
		return nil
	}
	kind, code, message := fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
	if spoken(x) {
		kind, code, message = refusal(x.Status())
	}
	f := g.fault(kind, code, message, fmt.Errorf("the answer is %d %s", x.Status(), http.StatusText(x.Status())))
	f.RetryAfter = x.RetryAfter()
	return f
}

// refusal is what an answer of Mailgun's own means. An unknown domain is a mistake in
// our configuration, and so as bad as a wrong key: others must send until somebody
// has mended it. 420 is Mailgun's own, for a domain that has sent to as many as it may
// for now.
func refusal(status int) (kind fault.Kind, code, message string) {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return fault.Invalid, "rejected", "the provider refuses this message"
	case http.StatusUnauthorized:
		return fault.Unauthorized, "provider_misconfigured", "the provider refused the gateway's credentials"
	case http.StatusForbidden:
		return fault.Refused, "provider_refused", "the provider does not let the gateway send this"
	case http.StatusPaymentRequired:
		return fault.QuotaExceeded, "quota_exceeded", "the account at the provider is used up"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fault.Unauthorized, "provider_misconfigured", "the provider does not know the domain, or is not at its base URL"
	case http.StatusTooManyRequests, 420:
		return fault.RateLimited, "rate_limit", "the provider asks for fewer requests"
	case http.StatusServiceUnavailable:
		return fault.Unavailable, "unavailable", "the provider is not available; nothing was sent"
	}
	return fault.UnknownOutcome, "no_answer", "the provider gave no answer that can be trusted"
}

// spoken reports whether an answer is Mailgun's own: JSON with a message; or the
// plain "Forbidden" of its 401, which anybody might say, but not for this realm.
func spoken(x *httpclient.Exchange) bool {
	var body struct {
		Message string `json:"message"`
	}
	if x.DecodeRefusal(&body) {
		return body.Message != ""
	}
	return x.Status() == http.StatusUnauthorized && strings.TrimSpace(x.Refusal()) == "Forbidden" &&
		strings.Contains(x.Header("WWW-Authenticate"), `realm="MG API"`)
}

func (g *Mailer) fault(kind fault.Kind, code, message string, err error) *fault.Error {
	return g.named(&fault.Error{Kind: kind, Code: code, Message: message, Err: err})
}

// named tells where an error comes from.
func (g *Mailer) named(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "mailgunmail.send", g.name
	return f
}
