package resendmail_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/resendmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

const canary = "re_canary"

func message() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: now,
		Attempts: []email.Attempt{{ID: "att_1", Outcome: email.Attempting}},
	}
}

func served(t *testing.T, h http.HandlerFunc) *resendmail.Mailer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	m, err := resendmail.New(resendmail.Options{Name: "resend", APIKey: canary, HTTP: httpclient.Options{BaseURL: server.URL + "/"}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// says is a body in Resend's own form.
func says(name, words string) string {
	body, err := json.Marshal(map[string]any{"statusCode": 400, "name": name, "message": words})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestAnAnswerIsOfTheMessageTheAccountOrNobody(t *testing.T) {
	t.Parallel()
	const taken = `{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}`
	const domain = "The example.com domain is not verified. Please, add and verify your domain on https://resend.com/domains"
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		code   string
	}{
		{"a 400 about a field", 400, says("validation_error", "We found an error with one or more fields in the request."), fault.Invalid, "rejected"},
		{"a 400 about the key of the attempt", 400, says("invalid_idempotency_key", "The key must be between 1-256 chars."), fault.Refused, "provider_refused"},
		{"a 400 about the API key", 400, says("validation_error", "API key is invalid"), fault.Unauthorized, "provider_misconfigured"},
		{"a 401 about the API key", 401, says("validation_error", "API key is invalid"), fault.Unauthorized, "provider_misconfigured"},
		{"a 401 without a key", 401, says("missing_api_key", "Missing API Key"), fault.Unauthorized, "provider_misconfigured"},
		{"a 401 about a key for something else", 401, says("restricted_api_key", "This API key is restricted to only send emails"), fault.Unauthorized, "provider_misconfigured"},
		{"a 401 about a key for another domain", 401, says("restricted_api_key", "This API key is not authorized to send emails from example.com"), fault.Refused, "sender_not_verified"},
		{"a 403 about the API key", 403, says("invalid_api_key", "API key is invalid"), fault.Unauthorized, "provider_misconfigured"},
		{"a 403 about the domain of the sender", 403, says("validation_error", domain), fault.Refused, "sender_not_verified"},
		{"a 403 about whom a new account may write to", 403, says("validation_error", "You can only send testing emails to your own email address (ada@example.com)."), fault.Refused, "recipient_not_authorized"},
		{"a 403 about the account", 403, says("validation_error", "Your account has been suspended."), fault.Unauthorized, "account_suspended"},
		{"a 403 in other words", 403, says("forbidden", "You shall not pass"), fault.Refused, "provider_refused"},
		{"a 404", 404, says("not_found", "The requested endpoint does not exist"), fault.Unauthorized, "provider_misconfigured"},
		{"a 405", 405, says("method_not_allowed", "Method is not allowed for the requested path"), fault.Unauthorized, "provider_misconfigured"},
		{"a 409: the first call is in progress", 409, says("concurrent_idempotent_requests", "Same idempotency key used while original request is still in progress."), fault.UnknownOutcome, "in_progress"},
		{"a 409: the first call was another", 409, says("invalid_idempotent_request", "Same idempotency key used with a different request payload."), fault.UnknownOutcome, "key_reused"},
		{"a 409 in other words", 409, says("conflict", "no"), fault.UnknownOutcome, "no_answer"},
		{"a 413", 413, says("validation_error", "The request is too large."), fault.Invalid, "rejected"},
		{"a 422 that quotes an address", 422, says("validation_error", "Invalid `to` field: ada@example.com "+canary), fault.Invalid, "recipient_rejected"},
		{"a 422 about a copy", 422, says("validation_error", "Invalid `bcc` field."), fault.Invalid, "recipient_rejected"},
		{"a 422 about the sender", 422, says("validation_error", "Invalid `from` field."), fault.Refused, "sender_rejected"},
		{"a 422 about the sender, by name", 422, says("invalid_from_address", "Not valid."), fault.Refused, "sender_rejected"},
		{"a 422 about an attachment", 422, says("invalid_attachment", "Attachment must have either a `content` or `path`."), fault.Refused, "attachment_refused"},
		{"a 422 about a missing field", 422, says("missing_required_field", "Missing `subject` field."), fault.Invalid, "rejected"},
		{"a 422 about a parameter", 422, says("invalid_parameter", "The parameter must be a valid UUID."), fault.Invalid, "rejected"},
		{"a 429", 429, says("rate_limit_exceeded", "Too many requests."), fault.RateLimited, "rate_limit"},
		{"a 429 about the day's quota", 429, says("daily_quota_exceeded", "You have reached your daily email sending quota."), fault.QuotaExceeded, "quota_exceeded"},
		{"a 429 about the month's quota", 429, says("monthly_quota_exceeded", "You have reached your monthly email sending quota."), fault.QuotaExceeded, "quota_exceeded"},
		{"a 451 about the message", 451, says("security_error", "We may have found a security issue with the request."), fault.Refused, "provider_refused"},
		{"a 500", 500, says("application_error", "An unexpected error occurred."), fault.UnknownOutcome, "no_answer"},
		{"a 500 by another name", 500, says("internal_server_error", "An unexpected error occurred."), fault.UnknownOutcome, "no_answer"},
		{"a 500 that looks like success", 500, taken, fault.UnknownOutcome, "no_answer"},
		{"a 502 in HTML", 502, "<html>", fault.UnknownOutcome, "no_answer"},
		{"a 503", 503, says("service_unavailable", "Service unavailable"), fault.Unavailable, "unavailable"},
		{"a 504", 504, "", fault.UnknownOutcome, "no_answer"},
		{"a 422 that is not Resend's", 422, `{"message": "no"}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 without an id", 200, `{"id":""}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 with what is no id", 200, `{"id":"` + canary + `"}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 that is cut short", 200, taken[:20], fault.UnknownOutcome, "no_answer"},
		{"a 200 without a body", 200, "", fault.UnknownOutcome, "no_answer"},
		{"a 202", 202, taken, fault.UnknownOutcome, "no_answer"},
		{"a redirect", 302, "", fault.UnknownOutcome, "no_answer"},
		{"a subject that would speak of the account", 422, says("validation_error", "Invalid subject: Your account has been suspended"), fault.Invalid, "rejected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := served(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := m.Send(t.Context(), message())
			f := fault.From(err)
			if err == nil || f.Kind != c.kind || f.Code != c.code || f.Op != "resendmail.send" || f.Provider != "resend" || f.Message == "" {
				t.Fatalf("%v (%+v), want %v %s", err, f, c.kind, c.code)
			}
			if f.RetryAfter != 7*time.Second {
				t.Errorf("to be tried again after %s, want 7 s", f.RetryAfter)
			}
			if f.Answer == nil || f.Answer.Status != c.status {
				t.Fatalf("the answer is %+v, want the status %d", f.Answer, c.status)
			}
			lasting := strings.HasPrefix(c.code, "sender_") || c.code == "recipient_not_authorized" || c.code == "attachment_refused" || c.code == "key_reused"
			if f.NoRetry != lasting {
				t.Errorf("asking again is of no use: %t, want %t", f.NoRetry, lasting)
			}
			if f.Blameless != (c.code == "in_progress") {
				t.Errorf("blameless: %t, want %t", f.Blameless, !f.Blameless)
			}
			for _, private := range []string{canary, "ada@example.com"} {
				if strings.Contains(err.Error()+f.Message+f.Code+f.Answer.Words, private) {
					t.Errorf("%q is in %v, want it nowhere", private, err)
				}
			}
		})
	}
}

func TestARateLimitEndsWhenTheAnswerSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header map[string]string
		want   time.Duration
	}{
		"as a wait":                         {429, map[string]string{"retry-after": "2", "ratelimit-reset": "60"}, 2 * time.Second},
		"as the seconds until it is reset":  {429, map[string]string{"ratelimit-reset": "60"}, time.Minute},
		"as more than an hour":              {429, map[string]string{"ratelimit-reset": "999999"}, time.Hour},
		"as no number":                      {429, map[string]string{"ratelimit-reset": "soon"}, 0},
		"as a negative number":              {429, map[string]string{"ratelimit-reset": "-5"}, 0},
		"not at all":                        {429, nil, 0},
		"beside an answer that is no limit": {422, map[string]string{"ratelimit-reset": "1"}, 0},
	} {
		m := served(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range c.header {
				w.Header().Set(name, value)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, says("rate_limit_exceeded", "Too many requests."))
		})
		if _, err := m.Send(t.Context(), message()); fault.From(err).RetryAfter != c.want {
			t.Errorf("%s: %s, want %s", name, fault.From(err).RetryAfter, c.want)
		}
	}
}
