package sendgridmail_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

const canary = "SG.canary"

func letter() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: time.Now(),
	}
}

func served(t *testing.T, h http.HandlerFunc) *sendgridmail.Mailer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	m, err := sendgridmail.New(sendgridmail.Options{Name: "sendgrid", APIKey: canary, HTTP: httpclient.Options{BaseURL: server.URL + "/"}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnAnswerIsOfTheMessageTheAccountOrNobody(t *testing.T) {
	t.Parallel()
	said := func(message string) string {
		return `{"errors":[{"message":` + strconv.Quote(message) + `,"field":null}]}`
	}
	at := func(field, message string) string {
		return `{"errors":[{"message":` + strconv.Quote(message) + `,"field":` + strconv.Quote(field) + `}]}`
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		code   string
	}{
		{"a 400 that quotes an address", 400, said("Does not contain a valid address: ada@example.com " + canary), fault.Invalid, "recipient_rejected"},
		{"a 400 at a recipient", 400, at("personalizations.0.to.0.email", "Does not contain a valid address."), fault.Invalid, "recipient_rejected"},
		{"a 400 at a recipient of a batch", 400, at("personalizations[3].to[0].email", "The email is not a valid address."), fault.Invalid, "recipient_rejected"},
		{"a 400 at a copy of a batch", 400, at("personalizations[3].dynamic_template_data", "No."), fault.Invalid, "rejected"},
		{"a 400 at the template", 400, at("template_id", "The template_id must be the id of an existing template."), fault.Refused, "template_unknown"},
		{"a 400 about all recipients", 400, at("personalizations", "The total number of recipients must be at most 1000."), fault.Invalid, "rejected"},
		{"a 400 at the sender", 400, at("from.email", "The from email does not contain a valid address."), fault.Refused, "sender_rejected"},
		{"a 400 at what begins like the sender", 400, at("from_date", "No."), fault.Invalid, "rejected"},
		{"a 400 at the content", 400, at("content.0.value", "The content value must be a string."), fault.Invalid, "rejected"},
		{"a 403 at the sender", 403, at("from", "No."), fault.Refused, "sender_not_verified"},
		{"a 403 about the sender, second of two", 403, `{"errors":[{"message":"No.","field":"a"},{"message":"No.","field":"from"}]}`, fault.Refused, "sender_not_verified"},
		{"a 403 about the key", 403, said("access forbidden"), fault.Unauthorized, "provider_misconfigured"},
		{"a 403 about the account", 403, said("Your account has been suspended"), fault.Unauthorized, "account_suspended"},
		{"a 401 about the account", 401, said("The account is under review"), fault.Unauthorized, "account_suspended"},
		{"a 403 about what the account may send", 403, said("You have exceeded your messaging limits"), fault.QuotaExceeded, "quota_exceeded"},
		{"a 403 that quotes a sender who would speak of the account", 403, said("Denied: account-suspended@example.com"), fault.Refused, "provider_refused"},
		{"a 413", 413, said("too large"), fault.Invalid, "rejected"},
		{"a 401", 401, said("The provided authorization grant is invalid"), fault.Unauthorized, "provider_misconfigured"},
		{"a 401 about credits", 401, said("Maximum credits exceeded"), fault.QuotaExceeded, "quota_exceeded"},
		{"a 401 about credits, in other letters", 401, said("maximum credits exceeded."), fault.QuotaExceeded, "quota_exceeded"},
		{"a 403 about the sender, without a field", 403, said("The from address does not match a verified Sender Identity"), fault.Refused, "sender_not_verified"},
		{"a 403 in other words", 403, said("You shall not pass"), fault.Refused, "provider_refused"},
		{"a 403 about credits is none of SendGrid's", 403, said("Maximum credits exceeded"), fault.Refused, "provider_refused"},
		{"a 404", 404, said("not found"), fault.Unauthorized, "provider_misconfigured"},
		{"a 405", 405, said("method not allowed"), fault.Unauthorized, "provider_misconfigured"},
		{"a 429", 429, said("too many requests"), fault.RateLimited, "rate_limit"},
		{"a 503", 503, said("unavailable"), fault.Unavailable, "unavailable"},
		{"a 500", 500, said("oops"), fault.UnknownOutcome, "no_answer"},
		{"a 502 in HTML", 502, "<html>", fault.UnknownOutcome, "no_answer"},
		{"a 504", 504, "", fault.UnknownOutcome, "no_answer"},
		{"a 200, as in the sandbox", 200, "", fault.UnknownOutcome, "no_answer"},
		{"a 201", 201, "{}", fault.UnknownOutcome, "no_answer"},
		{"a 204", 204, "", fault.UnknownOutcome, "no_answer"},
		{"a redirect", 302, "", fault.UnknownOutcome, "no_answer"},
		{"a 408", 408, "", fault.UnknownOutcome, "no_answer"},
		{"a status that nobody knows", 418, "", fault.UnknownOutcome, "no_answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := served(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := m.Send(t.Context(), letter())
			f := fault.From(err)
			if err == nil || f.Kind != c.kind || f.Code != c.code || f.Op != "sendgridmail.send" || f.Provider != "sendgrid" || f.Message == "" {
				t.Errorf("%v (%+v), want %v %s", err, f, c.kind, c.code)
			}
			if f.Answer == nil || f.Answer.Status != c.status {
				t.Fatalf("answer = %+v, want the status %d", f.Answer, c.status)
			}
			if lasting := f.Code == "sender_not_verified" || f.Code == "sender_rejected"; f.NoRetry != lasting {
				t.Errorf("asking again is of no use: %t, want %t", f.NoRetry, lasting)
			}
			for _, private := range []string{canary, "ada@example.com"} {
				if strings.Contains(err.Error()+f.Message+f.Code+f.Answer.Words+f.Answer.Field, private) {
					t.Errorf("error = %v, want one without %q", err, private)
				}
			}
		})
	}
}

// What stands between refuses with any status, also once SendGrid has taken the mail.
func TestARefusalCountsInSendGridsOwnWordsAlone(t *testing.T) {
	t.Parallel()
	own := `{"errors":[{"message":"` + canary + `","field":null}]}`
	for _, c := range []struct{ name, kind, body string }{
		{"a page", "text/html", "<html>" + canary},
		{"nothing", "", ""},
		{"a text", "text/plain", "Forbidden"},
		{"JSON of somebody else's", "application/json", `{"message":"` + canary + `"}`},
		{"errors without words", "application/json", `{"errors":[{"message":""},{}]}`},
		{"errors that are none", "application/json", `{"errors":"` + canary + `"}`},
		{"no errors", "application/json", `{"errors":[]}`},
		{"SendGrid's error in a page", "text/html", own},
		{"SendGrid's error, cut short", "application/json", own[:len(own)-2]},
	} {
		for _, status := range []int{400, 401, 403, 404, 405, 413, 429, 503} {
			t.Run(fmt.Sprintf("%d with %s", status, c.name), func(t *testing.T) {
				t.Parallel()
				m := served(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", c.kind)
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(status)
					_, _ = io.WriteString(w, c.body)
				})
				_, err := m.Send(t.Context(), letter())
				if f := fault.From(err); f.Kind != fault.UnknownOutcome || f.Code != "no_answer" || f.RetryAfter != 7*time.Second {
					t.Errorf("error = %+v, want %v no_answer, to be tried again after 7s", f, fault.UnknownOutcome)
				}
				if f := fault.From(err); strings.Contains(err.Error(), canary) || f.Answer == nil || *f.Answer != (fault.Answer{Status: status}) {
					t.Errorf("error = %v with the answer %+v, want the status %d alone", err, f.Answer, status)
				}
			})
		}
	}
}

func TestARateLimitEndsWhenTheAnswerSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		header      map[string]string
		least, most time.Duration
	}{
		{"in seconds", map[string]string{"Retry-After": "7"}, 7 * time.Second, 7 * time.Second},
		{"at the time when the count begins again", map[string]string{"X-RateLimit-Reset": fmt.Sprint(time.Now().Add(30 * time.Second).Unix())}, 25 * time.Second, 31 * time.Second},
		{"at the time when the count begins again, by a clock an hour ahead", map[string]string{
			"Date": time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(time.Hour + 30*time.Second).Unix()),
		}, 25 * time.Second, 32 * time.Second},
		{"at the time when the count begins again, by a clock an hour behind", map[string]string{
			"Date": time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(-time.Hour + 30*time.Second).Unix()),
		}, 25 * time.Second, 32 * time.Second},
		{"at a time that is past", map[string]string{"X-RateLimit-Reset": "1"}, 0, 0},
		{"in a year", map[string]string{"X-RateLimit-Reset": fmt.Sprint(time.Now().Add(8760 * time.Hour).Unix())}, time.Hour, time.Hour},
		{"who knows", map[string]string{"X-RateLimit-Reset": "soon"}, 0, 0},
		{"nothing said", nil, 0, 0},
	} {
		m := served(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range c.header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := m.Send(t.Context(), letter())
		if after := fault.From(err).RetryAfter; after < c.least || after > c.most {
			t.Errorf("%s: to be tried again after %s, want %s to %s", c.name, after, c.least, c.most)
		}
	}
}

func TestTheReferenceIsSendGrids(t *testing.T) {
	t.Parallel()
	m := served(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Message-Id", "abc")
		w.WriteHeader(http.StatusAccepted)
	})
	if r, err := m.Send(t.Context(), letter()); err != nil || r.Reference != "abc" {
		t.Errorf("%+v, %v, want the reference abc", r, err)
	}
}

// What goes over the wire has what was asked for, and nothing beside it.
func TestARequestHasTheWholeMessage(t *testing.T) {
	t.Parallel()
	full := letter()
	full.To = append(full.To, email.Address{Email: "eve@bücher.example", Name: "Eve"})
	full.Bcc = []email.Address{{Email: "audit@example.com"}}
	full.ReplyTo = []email.Address{{Email: "help@example.com"}}
	full.HTML, full.Headers = "<p>Hello</p>", map[string]string{"X-Campaign": "7"}
	full.Tags, full.Metadata = []string{"welcome"}, map[string]string{"order": "17"}
	full.Attachments = []email.Attachment{
		{Filename: "a.pdf", ContentType: "application/pdf", Content: []byte("PDF")},
		{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte("PNG")},
	}
	for name, c := range map[string]struct {
		m    email.Message
		want string
	}{
		"the least": {letter(), `{"content":[{"type":"text/plain","value":"Hello Ada"}],"from":{"email":"shop@example.com"},` +
			`"headers":{"Message-ID":"<msg_1@example.com>"},` +
			`"personalizations":[{"custom_args":{"patchbay_message":"msg_1"},"to":[{"email":"ada@example.com"}]}],"subject":"Hello"}`},
		"everything": {full, `{"attachments":[{"content":"UERG","disposition":"attachment","filename":"a.pdf","type":"application/pdf"},` +
			`{"content":"UE5H","content_id":"logo","disposition":"inline","filename":"logo.png","type":"image/png"}],"categories":["welcome"],` +
			`"content":[{"type":"text/plain","value":"Hello Ada"},{"type":"text/html","value":"\u003cp\u003eHello\u003c/p\u003e"}],` +
			`"from":{"email":"shop@example.com"},"headers":{"Message-ID":"<msg_1@example.com>","X-Campaign":"7"},` +
			`"personalizations":[{"bcc":[{"email":"audit@example.com"}],"custom_args":{"order":"17","patchbay_message":"msg_1"},` +
			`"to":[{"email":"ada@example.com"},{"email":"eve@xn--bcher-kva.example","name":"Eve"}]}],` +
			`"reply_to":{"email":"help@example.com"},"subject":"Hello"}`},
	} {
		var got []byte
		var auth, path string
		m := served(t, func(w http.ResponseWriter, r *http.Request) {
			got, _ = io.ReadAll(r.Body)
			auth, path = r.Header.Get("Authorization"), r.Method+" "+r.URL.Path
			w.WriteHeader(http.StatusAccepted)
		})
		if _, err := m.Send(t.Context(), c.m); err != nil {
			t.Fatal(err)
		}
		var asked, want any
		if json.Unmarshal(got, &asked) != nil || json.Unmarshal([]byte(c.want), &want) != nil || fmt.Sprint(asked) != fmt.Sprint(want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		if auth != "Bearer "+canary || path != "POST /v3/mail/send" {
			t.Errorf("asked %s as %q, want POST /v3/mail/send with the key", path, auth)
		}
	}
}

func TestAnAccountNeedsANameAKeyAndAnAddress(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sendgridmail.Options{
		"no name": {APIKey: canary}, "no key": {Name: "sendgrid"},
		"no such base URL": {Name: "sendgrid", APIKey: canary, HTTP: httpclient.Options{BaseURL: "smtp://example.com"}},
	} {
		if _, err := sendgridmail.New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want kind %v", name, err, fault.Invalid)
		}
	}
	if _, err := sendgridmail.New(sendgridmail.Options{Name: "sendgrid", APIKey: canary}); err != nil {
		t.Errorf("SendGrid's own address: error = %v, want none", err)
	}
}

func TestALineBreakIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	m := served(t, func(http.ResponseWriter, *http.Request) { t.Error("there was a request, want none") })
	l := letter()
	l.Subject = "Hello\r\nBcc: eve@example.com"
	if _, err := m.Send(t.Context(), l); !fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want kind %v", err, fault.Invalid)
	}
}
