package sesmail

import (
	"net/http"
	"strings"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/refusal"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// The meanings that only SES's answers have.
var (
	// contentRefused is for a message whose content SES does not send; another provider may.
	contentRefused = refusal.Meaning{
		Kind: fault.Refused, Code: "content_refused", Permanent: true,
		Message: "the provider refuses the content of this message",
	}
	configurationSet = refusal.Meaning{
		Kind: fault.Unauthorized, Code: "provider_misconfigured",
		Message: "the provider does not know the configuration set",
	}
	// clockSkew is for a signature that is more than five minutes away from SES's clock.
	clockSkew = refusal.Meaning{
		Kind: fault.Unauthorized, Code: "clock_skew",
		Message: "the provider refuses the signature, because the clock of this machine is wrong",
	}
)

// What tells further what an error is about, after its type.
const (
	ofRecipient = ".recipient" // a recipient is not verified: the account is in the sandbox
	ofIdentity  = ".identity"  // the policy of the access key does not allow this identity
)

// table maps SES's errors, by status, type and words, to their meaning.
//
// Source: "SendEmail" and "Common Errors" of the API reference, and "Amazon SES email sending errors",
// https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
var table = []refusal.Rule{
	{Status: []int{400, 403}, Words: []string{"signature expired"}, Means: clockSkew},
	{Status: []int{400, 403}, Words: []string{"signature not yet current"}, Means: clockSkew},
	{Status: []int{400, 403}, Field: "RequestExpired", Means: clockSkew},
	{Status: []int{400, 403}, Field: "RequestTimeTooSkewed", Means: clockSkew},
	{Status: []int{400, 403}, Field: "AccessDeniedException" + ofIdentity, Means: refusal.SenderNotVerified},
	{Status: []int{401, 403}, Means: refusal.Credentials},
	{Status: []int{400}, Field: "AccessDeniedException", Means: refusal.Credentials},
	{Status: []int{400}, Field: "ExpiredTokenException", Means: refusal.Credentials},
	{Status: []int{400}, Field: "IncompleteSignature", Means: refusal.Credentials},
	{Status: []int{400}, Field: "IncompleteSignatureException", Means: refusal.Credentials},
	{Status: []int{400}, Field: "InvalidSignatureException", Means: refusal.Credentials},
	{Status: []int{400}, Field: "NotAuthorized", Means: refusal.Credentials},
	{Status: []int{400}, Field: "UnrecognizedClientException", Means: refusal.Credentials},
	{Status: []int{400}, Field: "AccountSuspendedException", Means: refusal.Suspended},
	{Status: []int{400}, Field: "SendingPausedException", Means: refusal.Suspended},
	{Status: []int{400}, Words: []string{"sending suspended"}, Means: refusal.Suspended},
	{Status: []int{400}, Field: "MailFromDomainNotVerifiedException", Means: refusal.SenderNotVerified},
	{Status: []int{400}, Field: "MessageRejected" + ofRecipient, Means: refusal.RecipientNotAuthorized},
	{Status: []int{400}, Words: []string{"is not verified"}, Means: refusal.SenderNotVerified},
	{Status: []int{400, 429}, Words: []string{"daily message quota exceeded"}, Means: refusal.Exhausted},
	{Status: []int{400}, Field: "LimitExceededException", Means: refusal.Exhausted},
	{Status: []int{400}, Field: "ThrottlingException", Means: refusal.RateLimited},
	{Status: []int{429}, Means: refusal.RateLimited},
	{Status: []int{400, 404}, Words: []string{"configuration set"}, Means: configurationSet},
	{Status: []int{400, 404}, Words: []string{"template", "does not exist"}, Means: refusal.UnknownTemplate},
	{Status: []int{404, 405}, Means: refusal.Address},
	{Status: []int{400}, Field: "MessageRejected", Words: []string{"address blacklisted"}, Means: refusal.Recipient},
	{Status: []int{400}, Field: "MessageRejected", Words: []string{"illegal filename"}, Means: refusal.Attachment},
	{Status: []int{400}, Field: "MessageRejected", Means: contentRefused},
	{Status: []int{400}, Field: "BadRequestException", Words: []string{"domain name"}, Means: refusal.Recipient},
	{Status: []int{400}, Field: "BadRequestException", Words: []string{"local address"}, Means: refusal.Recipient},
	{Status: []int{400}, Field: "BadRequestException", Words: []string{"missing final"}, Means: refusal.Recipient},
	{Status: []int{400, 413}, Means: refusal.Message},
	{Status: []int{503}, Field: "ServiceUnavailable", Means: refusal.Unavailable},
	{Status: []int{503}, Field: "ServiceUnavailableException", Means: refusal.Unavailable},
}

// failure maps an exchange to an error. It returns nil if SES has accepted the message: with 200 and an
// id.
//
// Only a refusal in the form of AWS counts: an intermediary may refuse with any status, even after SES
// has accepted the message. A 503 in which SES says that it is not available means not accepted. Any other
// 5xx, a broken connection, and an unknown response prove nothing.
func (s *Mailer) failure(m email.Message, x *httpclient.Exchange, id string, err error) error {
	if x.Status() == 0 {
		return s.annotate(x.Unanswered(err))
	}
	if x.Status() == http.StatusOK && id != "" && err == nil {
		return nil
	}
	f := refusal.Error(table, x.Status(), s.providerErrors(m, x))
	f.RetryAfter = x.RetryAfter()
	return s.annotate(f)
}

// providerErrors returns what SES itself says is wrong, or nil if the response is not from AWS: it has
// the id of the request and the type of the error, in a header or in the body.
func (s *Mailer) providerErrors(m email.Message, x *httpclient.Exchange) []refusal.ProviderError {
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message
	}
	if x.Header("X-Amzn-Requestid") == "" || !x.DecodeRefusal(&body) {
		return nil
	}
	kind := errorType(x.Header("X-Amzn-Errortype"))
	if kind == "" {
		kind = errorType(body.Type)
	}
	if kind == "" {
		return nil
	}
	said := refusal.ProviderError{Field: kind + about(m, kind, body.Message), Words: body.Message}
	return []refusal.ProviderError{refusal.Redact(said, m, s.SecretAccessKey, s.SessionToken, s.AccessKeyID)}
}

// errorType returns the name in the type of an error, which may stand after the name of a namespace and
// before a URL: com.amazonaws.sesv2#MessageRejected:http://…
func errorType(text string) string {
	text, _, _ = strings.Cut(text, ":")
	return strings.TrimSpace(text[strings.LastIndexByte(text, '#')+1:])
}

// about returns what an error is about, before the addresses that tell are blanked.
func about(m email.Message, kind, words string) string {
	lower := strings.ToLower(words)
	switch {
	case kind == "AccessDeniedException" && strings.Contains(lower, ":identity/"):
		return ofIdentity
	case kind == "MessageRejected" && strings.Contains(lower, "is not verified"):
		_, failed, _ := strings.Cut(lower, "region ")
		recipients, err := rfc5322.Recipients(m)
		for _, to := range recipients {
			if err == nil && !strings.EqualFold(to, m.From.Email) && strings.Contains(failed, strings.ToLower(to)) {
				return ofRecipient
			}
		}
	}
	return ""
}

// annotate sets the operation and the provider in an error.
func (s *Mailer) annotate(f *fault.Error) *fault.Error {
	f.Op, f.Provider = "sesmail.send", s.Name()
	return f
}
