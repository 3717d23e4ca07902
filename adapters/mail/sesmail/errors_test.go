package sesmail_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sesmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

const (
	canary   = "secret/canary"
	keyID    = "AKIACANARY"
	messages = "0100018f-canary-000000" // an id of SES's
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixed time.Time

func (c fixed) Now() time.Time { return time.Time(c) }

func message() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: now,
		Attempts: []email.Attempt{{ID: "att_1", Outcome: email.Attempting}},
	}
}

// served returns a mailer whose requests go to a handler.
func served(t *testing.T, h http.HandlerFunc, changes ...func(*sesmail.Options)) *sesmail.Mailer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o := sesmail.Options{
		Name: "ses", Region: "eu-west-1", AccessKeyID: keyID, SecretAccessKey: canary, Clock: fixed(now), HTTP: httpclient.Options{BaseURL: server.URL + "/"},
	}
	for _, change := range changes {
		change(&o)
	}
	m, err := sesmail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// says is a body in the form of AWS.
func says(words string) string {
	body, err := json.Marshal(map[string]any{"message": words})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// answered is an answer of SES. An empty kind means that it has no header with the type of the error.
type answered struct {
	status     int
	kind, body string
	foreign    bool // it has no id of the request, as one of a proxy
}

func (a answered) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if !a.foreign {
		w.Header().Set("X-Amzn-Requestid", "1")
	}
	if a.kind != "" {
		w.Header().Set("X-Amzn-Errortype", a.kind)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func TestAnAnswerIsOfTheMessageTheAccountOrNobody(t *testing.T) {
	t.Parallel()
	const taken = `{"MessageId":"` + messages + `"}`
	const failed = "Email address is not verified. The following identities failed the check in region EU-WEST-1: "
	const policy = "User: arn:aws:iam::123456789012:user/shop is not authorized to perform `ses:SendRawEmail'"
	for _, c := range []struct {
		name   string
		answer answered
		kind   fault.Kind
		code   string
	}{
		{"a 400 about the message", answered{status: 400, kind: "BadRequestException", body: says("Header is not valid")}, fault.Invalid, "rejected"},
		{"a 400 that quotes an address", answered{status: 400, kind: "BadRequestException", body: says("Invalid domain name in ada@example.com " + canary)}, fault.Invalid, "recipient_rejected"},
		{"a 400 about a local part", answered{status: 400, kind: "BadRequestException", body: says("Local address contains control or whitespace")}, fault.Invalid, "recipient_rejected"},
		{"a 400 about a missing domain", answered{status: 400, kind: "BadRequestException", body: says("Missing final '@domain'")}, fault.Invalid, "recipient_rejected"},
		{"the sender is not verified", answered{status: 400, kind: "MessageRejected", body: says(failed + "shop@example.com")}, fault.Refused, "sender_not_verified"},
		{"the sender's domain is not verified", answered{status: 400, kind: "MailFromDomainNotVerifiedException", body: says("no")}, fault.Refused, "sender_not_verified"},
		{"the sandbox: a recipient is not verified", answered{status: 400, kind: "MessageRejected", body: says(failed + "ada@example.com")}, fault.Refused, "recipient_not_authorized"},
		{"the sandbox: neither is verified", answered{status: 400, kind: "MessageRejected", body: says(failed + "shop@example.com, Ada@Example.com")}, fault.Refused, "recipient_not_authorized"},
		{"a recipient on the list of SES", answered{status: 400, kind: "MessageRejected", body: says("Address blacklisted.")}, fault.Invalid, "recipient_rejected"},
		{"a type of file that SES does not send", answered{status: 400, kind: "MessageRejected", body: says("Illegal filename 'a.exe'")}, fault.Refused, "attachment_refused"},
		{"content that SES does not send", answered{status: 400, kind: "MessageRejected", body: says("Duplicate header 'DKIM-Signature'")}, fault.Refused, "content_refused"},
		{"the account is suspended", answered{status: 400, kind: "AccountSuspendedException", body: says("Your account is restricted")}, fault.Unauthorized, "account_suspended"},
		{"the account is suspended, in other words", answered{status: 400, kind: "MessageRejected", body: says("Sending suspended for this account.")}, fault.Unauthorized, "account_suspended"},
		{"sending is paused", answered{status: 400, kind: "SendingPausedException", body: says("Sending is paused")}, fault.Unauthorized, "account_suspended"},
		{"the quota of the day", answered{status: 429, kind: "TooManyRequestsException", body: says("Daily message quota exceeded.")}, fault.QuotaExceeded, "quota_exceeded"},
		{"the quota of the day, as a 400", answered{status: 400, kind: "ThrottlingException", body: says("Daily message quota exceeded.")}, fault.QuotaExceeded, "quota_exceeded"},
		{"a limit of the account", answered{status: 400, kind: "LimitExceededException", body: says("Too many instances")}, fault.QuotaExceeded, "quota_exceeded"},
		{"the rate", answered{status: 429, kind: "TooManyRequestsException", body: says("Maximum sending rate exceeded.")}, fault.RateLimited, "rate_limit"},
		{"the rate, as a 400", answered{status: 400, kind: "ThrottlingException", body: says("Maximum sending rate exceeded.")}, fault.RateLimited, "rate_limit"},
		{"an unknown configuration set", answered{status: 404, kind: "NotFoundException", body: says("Configuration set <shop> does not exist.")}, fault.Unauthorized, "provider_misconfigured"},
		{"an unknown template", answered{status: 404, kind: "NotFoundException", body: says("Template d-17 does not exist")}, fault.Refused, "template_unknown"},
		{"an unknown template, as a 400", answered{status: 400, kind: "BadRequestException", body: says("Template d-17 does not exist")}, fault.Refused, "template_unknown"},
		{"another host of AWS", answered{status: 404, kind: "UnknownOperationException", body: `{}`}, fault.Unauthorized, "provider_misconfigured"},
		{"an unknown key", answered{status: 403, kind: "UnrecognizedClientException", body: says("The security token included in the request is invalid.")}, fault.Unauthorized, "provider_misconfigured"},
		{"a wrong secret", answered{status: 403, kind: "InvalidSignatureException", body: says("The request signature we calculated does not match")}, fault.Unauthorized, "provider_misconfigured"},
		{"an expired token", answered{status: 403, kind: "ExpiredTokenException", body: says("The security token included in the request is expired")}, fault.Unauthorized, "provider_misconfigured"},
		{"an expired token, as a 400", answered{status: 400, kind: "ExpiredTokenException", body: says("The security token included in the request is expired")}, fault.Unauthorized, "provider_misconfigured"},
		{"a policy that allows nothing", answered{status: 403, kind: "AccessDeniedException", body: `{"Message":"User is not authorized"}`}, fault.Unauthorized, "provider_misconfigured"},
		{"a policy that does not allow this sender", answered{status: 403, kind: "AccessDeniedException", body: `{"Message":"` + policy + " on resource `arn:aws:ses:eu-west-1:123456789012:identity/shop@example.com'\"}"}, fault.Refused, "sender_not_verified"},
		{"a clock that is behind", answered{status: 403, kind: "InvalidSignatureException", body: says("Signature expired: 20260301T110000Z is now earlier than 20260301T115500Z (20260301T120000Z - 5 min.)")}, fault.Unauthorized, "clock_skew"},
		{"a clock that is ahead", answered{status: 403, kind: "InvalidSignatureException", body: says("Signature not yet current: 20260301T130000Z is still later than 20260301T120500Z")}, fault.Unauthorized, "clock_skew"},
		{"a type with a namespace and a URL", answered{status: 400, kind: "com.amazonaws.sesv2#AccountSuspendedException:http://internal.amazon.com/", body: `{}`}, fault.Unauthorized, "account_suspended"},
		{"a type in the body alone", answered{status: 400, body: `{"__type":"com.amazonaws.sesv2#SendingPausedException","message":"paused"}`}, fault.Unauthorized, "account_suspended"},
		{"a 413", answered{status: 413, kind: "RequestEntityTooLargeException", body: says("too large")}, fault.Invalid, "rejected"},
		{"a 503 in which SES says that it is not available", answered{status: 503, kind: "ServiceUnavailableException", body: says("later")}, fault.Unavailable, "unavailable"},
		{"a 503 about something else", answered{status: 503, kind: "InternalFailure", body: says("what happened is not known")}, fault.UnknownOutcome, "no_answer"},
		{"a 500", answered{status: 500, kind: "InternalServiceErrorException", body: says("unknown")}, fault.UnknownOutcome, "no_answer"},
		{"a 500 that looks like success", answered{status: 500, body: taken}, fault.UnknownOutcome, "no_answer"},
		{"a 504", answered{status: 504, body: ""}, fault.UnknownOutcome, "no_answer"},
		{"a 400 without an id of the request", answered{status: 400, kind: "AccountSuspendedException", body: says("no"), foreign: true}, fault.UnknownOutcome, "no_answer"},
		{"a 403 of a proxy in JSON", answered{status: 403, body: says("denied"), foreign: true}, fault.UnknownOutcome, "no_answer"},
		{"a 400 without a type", answered{status: 400, body: says("no")}, fault.UnknownOutcome, "no_answer"},
		{"a 400 that is not JSON", answered{status: 400, kind: "BadRequestException", body: "<html>"}, fault.UnknownOutcome, "no_answer"},
		{"a 200 without an id", answered{status: 200, body: `{"MessageId":""}`}, fault.UnknownOutcome, "no_answer"},
		{"a 200 that is cut short", answered{status: 200, body: taken[:20]}, fault.UnknownOutcome, "no_answer"},
		{"a 202", answered{status: 202, body: taken}, fault.UnknownOutcome, "no_answer"},
		{"a redirect", answered{status: 302}, fault.UnknownOutcome, "no_answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := served(t, c.answer.ServeHTTP).Send(t.Context(), message())
			f := fault.From(err)
			if err == nil || f.Kind != c.kind || f.Code != c.code || f.Op != "sesmail.send" || f.Provider != "ses" || f.Message == "" {
				t.Fatalf("%v (%+v), want %v %s", err, f, c.kind, c.code)
			}
			if f.Answer == nil || f.Answer.Status != c.answer.status {
				t.Fatalf("the answer is %+v, want the status %d", f.Answer, c.answer.status)
			}
			lasting := c.kind == fault.Refused && c.code != "template_unknown"
			if f.NoRetry != lasting {
				t.Errorf("asking again is of no use: %t, want %t", f.NoRetry, lasting)
			}
			for _, private := range []string{canary, keyID, "ada@example.com", "shop@example.com"} {
				if strings.Contains(strings.ToLower(err.Error()+f.Message+f.Code+f.Answer.Words+f.Answer.Field), strings.ToLower(private)) {
					t.Errorf("%q is in %v %+v, want it nowhere", private, err, f.Answer)
				}
			}
		})
	}
}

// A message must not make SES say words that are taken for SES's own.
func TestASubjectDoesNotSpeakForSES(t *testing.T) {
	t.Parallel()
	m := message()
	m.Subject = "Daily message quota exceeded"
	_, err := served(t, answered{status: 400, kind: "BadRequestException", body: says("Invalid subject: " + m.Subject)}.ServeHTTP).Send(t.Context(), m)
	if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "rejected" {
		t.Errorf("%v, want invalid rejected", err)
	}
}
