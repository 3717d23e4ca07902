package mailgunmail

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// table maps Mailgun's refusals to their meaning. Mailgun distinguishes most of them only
// by words, with status 400 or 403: about the sender, about a domain that may send to few
// recipients, or about the account. An unknown domain is a mistake in our configuration,
// and so counts like a wrong key: other providers must send until it is fixed. 420 is
// Mailgun's own status for a domain that has reached its sending limit.
var table = []refusal.Rule{
	{Status: []int{400, 403}, Words: []string{"from parameter"}, Means: refusal.SenderRejected},
	{Status: []int{400, 403}, Words: []string{"'from'"}, Means: refusal.SenderRejected},
	{Status: []int{400, 403}, Words: []string{"from address", "verified"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 403}, Words: []string{"from address", "not allowed"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 403}, Words: []string{"from domain"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 401, 403}, Words: []string{"sender", "not authorized"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 401, 403}, Words: []string{"sender", "verified"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 403}, Words: []string{"authorized recipients"}, Means: refusal.RecipientNotAuthorized},
	{Status: []int{400}, Words: []string{"to parameter"}, Means: refusal.Recipient},
	{Status: []int{400}, Words: []string{"'to'"}, Means: refusal.Recipient},
	{Status: []int{400, 404}, Words: []string{"template", "not found"}, Means: refusal.UnknownTemplate},
	{Status: []int{400, 403}, Words: []string{"limit exceeded", "try again after"}, Means: refusal.RateLimited},
	{Status: []int{400, 401, 403}, Words: []string{"is not allowed to send"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"account", "disabled"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"domain", "disabled"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"account", "suspended"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"account", "terminated"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"account", "probation"}, Means: refusal.Suspended},
	{Status: []int{400, 401, 403}, Words: []string{"activate your mailgun account"}, Means: refusal.Suspended},
	{Status: []int{401}, Means: refusal.Credentials},
	{Status: []int{402}, Means: refusal.Exhausted},
	{Status: []int{403}, Means: refusal.Unclear},
	{Status: []int{404, 405}, Means: refusal.Address},
	{Status: []int{400, 413}, Means: refusal.Message},
	{Status: []int{420, 429}, Means: refusal.RateLimited},
	{Status: []int{503}, Means: refusal.Unavailable},
}

// failure maps an exchange to an error. It returns nil if Mailgun has accepted the message,
// with status 200 and an id.
//
// Only a refusal in Mailgun's own words counts: an intermediary may refuse with any status,
// even after Mailgun has accepted the message. A 503 from Mailgun means not accepted. Any
// other 5xx, a broken connection, and an unknown response prove nothing. A 200 without an
// id proves nothing either, such as "Mailgun Magnificent API", which Mailgun returns at
// unknown paths: the library does not show its text.
func (g *Mailer) failure(m email.Message, x *httpclient.Exchange, id string, err error) error {
	var wire *url.Error
	switch {
	case x.Status() != 0:
	case !x.Written() && !errors.As(err, &wire): // the library itself refuses
		return g.fault(fault.Invalid, "rejected", "the message cannot be sent")
	default:
		return g.annotate(x.Unanswered(err))
	}
	if x.Status() == http.StatusOK && strings.Contains(id, "@") && err == nil { // <…@mg.example.com>
		return nil
	}
	f := refusal.Error(table, x.Status(), g.providerErrors(m, x))
	f.RetryAfter = x.RetryAfter()
	return g.annotate(f)
}

// providerErrors returns what Mailgun itself says is wrong, or nil if the response is not
// from Mailgun. Mailgun sends JSON with a message, or the plain text "Forbidden" with a
// 401; anybody may send that text, but not with this realm.
func (g *Mailer) providerErrors(m email.Message, x *httpclient.Exchange) []refusal.ProviderError {
	var body struct {
		Message string `json:"message"`
	}
	text := strings.TrimSpace(x.Refusal())
	switch {
	case x.DecodeRefusal(&body) && body.Message != "":
		text = body.Message
	case x.Status() != http.StatusUnauthorized || text != "Forbidden" || !strings.Contains(x.Header("WWW-Authenticate"), `realm="MG API"`):
		return nil
	}
	return []refusal.ProviderError{refusal.Redact(refusal.ProviderError{Words: text}, m, g.key)}
}

func (g *Mailer) fault(kind fault.Kind, code, message string) *fault.Error {
	return g.annotate(fault.New(kind, code, message))
}

// annotate sets the operation and the provider in an error.
func (g *Mailer) annotate(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "mailgunmail.send", g.name
	return f
}
