package mailgunmail_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailgun/mailgun-go/v4"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

const canary = "key-canary"

func letter() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: time.Now(),
	}
}

func at(t *testing.T, url string) *mailgunmail.Mailer {
	t.Helper()
	m, err := mailgunmail.New(mailgunmail.Options{
		Name: "mailgun", Domain: "mg.example.com", APIKey: canary, HTTP: httpclient.Options{BaseURL: url},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func served(t *testing.T, h http.HandlerFunc) *mailgunmail.Mailer {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return at(t, server.URL+"/v3") // some write the version too
}

func TestAnAnswerIsOfTheMessageTheDomainOrNobody(t *testing.T) {
	t.Parallel()
	const taken = `{"id":"<1@mg.example.com>","message":"Queued. Thank you."}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   fault.Kind
		code   string
	}{
		{"a 400 that quotes an address", 400, `{"message":"'to' parameter is not a valid address: ada@example.com ` + canary + `"}`, fault.Invalid, "recipient_rejected"},
		{"a 400 about the message", 400, `{"message":"message parameter is missing"}`, fault.Invalid, "rejected"},
		{"a 400 about the sender", 400, `{"message":"'from' parameter is not a valid address. please check documentation"}`, fault.Refused, "sender_rejected"},
		{"a 403 about the sender", 403, `{"message":"The from address is not verified for this account"}`, fault.Refused, "sender_not_verified"},
		{"a 401 about the sender", 401, `{"message":"the sender is not authorized to use this domain"}`, fault.Refused, "sender_not_verified"},
		{"a 403 about whom a sandbox may write to", 403, `{"message":"Domain mg.example.com is not allowed to send: Sandbox subdomains are for test purposes only. Please add your own domain or add the address to authorized recipients in Account Settings."}`, fault.Refused, "recipient_not_authorized"},
		{"a 403 about the domain of the account", 403, `{"message":"Domain mg.example.com is not allowed to send: The domain is unverified and requires DNS configuration."}`, fault.Unauthorized, "account_suspended"},
		{"a 400 about the account", 400, `{"message":"Domain mg.example.com is not allowed to send: Please activate your Mailgun account."}`, fault.Unauthorized, "account_suspended"},
		{"a 400 about an account on probation", 400, `{"message":"Your account is on probation"}`, fault.Unauthorized, "account_suspended"},
		{"a 403 about how many may be sent", 403, `{"message":"Domain mg.example.com is not allowed to send: recipient limit exceeded, try again after 1 hour"}`, fault.RateLimited, "rate_limit"},
		{"a 400 that quotes a recipient who would speak of the account", 400, `{"message":"no route to account-is-disabled@domain-disabled.example"}`, fault.Invalid, "rejected"},
		{"a 400 about the template", 400, `{"message":"template welcome not found"}`, fault.Refused, "template_unknown"},
		{"a 403 in other words", 403, `{"message":"You shall not pass"}`, fault.Refused, "provider_refused"},
		{"a 413", 413, `{"message":"too large"}`, fault.Invalid, "rejected"},
		{"a 401", 401, "Forbidden", fault.Unauthorized, "provider_misconfigured"},
		{"a 402", 402, `{"message":"payment required"}`, fault.QuotaExceeded, "quota_exceeded"},
		{"a 401 in JSON", 401, `{"message":"Invalid private key"}`, fault.Unauthorized, "provider_misconfigured"},
		{"a 403 about the account", 403, `{"message":"account disabled"}`, fault.Unauthorized, "account_suspended"},
		{"a 404: the domain, or the base URL", 404, `{"message":"Domain not found"}`, fault.Unauthorized, "provider_misconfigured"},
		{"a 405", 405, `{"message":"Method not allowed"}`, fault.Unauthorized, "provider_misconfigured"},
		{"a 420: too many recipients for now", 420, `{"message":"recipient limit exceeded, try again after"}`, fault.RateLimited, "rate_limit"},
		{"a 429", 429, `{"message":"Too many requests"}`, fault.RateLimited, "rate_limit"},
		{"a 503", 503, `{"message":"Service unavailable"}`, fault.Unavailable, "unavailable"},
		{"a 500", 500, `{"message":"oops"}`, fault.UnknownOutcome, "no_answer"},
		{"a 500 that looks like success", 500, taken, fault.UnknownOutcome, "no_answer"},
		{"a 502 in HTML", 502, "<html>", fault.UnknownOutcome, "no_answer"},
		{"a 504", 504, "", fault.UnknownOutcome, "no_answer"},
		{"the Magnificent API", 200, "Mailgun Magnificent API", fault.UnknownOutcome, "no_answer"},
		{"the Magnificent API, in JSON", 200, `{"message":"Mailgun Magnificent API"}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 without an id", 200, `{"id":"","message":"Queued. Thank you."}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 with what is no id", 200, `{"id":"` + canary + `","message":"Queued. Thank you."}`, fault.UnknownOutcome, "no_answer"},
		{"a 200 that is cut short", 200, taken[:20], fault.UnknownOutcome, "no_answer"},
		{"a 200 without a body", 200, "", fault.UnknownOutcome, "no_answer"},
		{"a 202", 202, taken, fault.UnknownOutcome, "no_answer"},
		{"a 204", 204, "", fault.UnknownOutcome, "no_answer"},
		{"a redirect", 302, "", fault.UnknownOutcome, "no_answer"},
		{"a 408", 408, "", fault.UnknownOutcome, "no_answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := served(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				if w.Header().Set("Content-Type", "application/json"); c.body == "Forbidden" {
					w.Header().Set("Content-Type", "text/html")
					w.Header().Set("WWW-Authenticate", `Basic realm="MG API"`)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := m.Send(t.Context(), letter())
			f := fault.From(err)
			if err == nil || f.Kind != c.kind || f.Code != c.code || f.Op != "mailgunmail.send" || f.Provider != "mailgun" || f.Message == "" {
				t.Fatalf("%v (%+v), want %v %s", err, f, c.kind, c.code)
			}
			if f.RetryAfter != 7*time.Second {
				t.Errorf("to be tried again after %s, want %s", f.RetryAfter, 7*time.Second)
			}
			if f.Answer == nil || f.Answer.Status != c.status {
				t.Fatalf("answer = %+v, want the status %d", f.Answer, c.status)
			}
			lasting := f.Code == "sender_not_verified" || f.Code == "sender_rejected" || f.Code == "recipient_not_authorized"
			if f.NoRetry != lasting {
				t.Errorf("asking again is of no use: %t, want %t", f.NoRetry, lasting)
			}
			for _, private := range []string{canary, "ada@example.com"} {
				if strings.Contains(err.Error()+f.Message+f.Code+f.Answer.Words, private) {
					t.Errorf("error = %v, want one without %q", err, private)
				}
			}
		})
	}
}

// What goes over the wire: the envelope, the labels, and the message itself.
func TestARequestHasTheWholeMessage(t *testing.T) {
	t.Parallel()
	full := letter()
	full.To = append(full.To, email.Address{Email: "eve@bücher.example", Name: "Eve"})
	full.Cc, full.Bcc = []email.Address{{Email: "cc@example.com"}}, []email.Address{{Email: "audit@example.com"}}
	full.Tags, full.Metadata = []string{"welcome", "trial"}, map[string]string{"order": "17"}
	for name, c := range map[string]struct {
		m    email.Message
		want string
	}{
		"the least":  {letter(), "to=[ada@example.com] v:patchbay_message=[msg_1]"},
		"everything": {full, "o:tag=[welcome trial] to=[ada@example.com eve@xn--bcher-kva.example cc@example.com audit@example.com] v:order=[17] v:patchbay_message=[msg_1]"},
	} {
		var fields []string
		var raw []byte
		var asked string
		m := served(t, func(w http.ResponseWriter, r *http.Request) {
			user, key, _ := r.BasicAuth()
			asked = r.Method + " " + r.URL.Path + " " + user + ":" + key
			_ = r.ParseMultipartForm(1 << 20)
			for name, values := range r.MultipartForm.Value {
				fields = append(fields, fmt.Sprintf("%s=%v", name, values))
			}
			if f, _, err := r.FormFile("message"); err == nil {
				raw, _ = io.ReadAll(f)
			}
			_, _ = io.WriteString(w, `{"id":"<1@mg.example.com>","message":"Queued. Thank you."}`)
		})
		r, err := m.Send(t.Context(), c.m)
		if err != nil || r.Reference != "1@mg.example.com" {
			t.Fatalf("%s: %+v, %v, want the reference 1@mg.example.com", name, r, err)
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != c.want || asked != "POST /v3/mg.example.com/messages.mime api:"+canary {
			t.Errorf("%s: %s\n%s\nwant\n%s", name, asked, got, c.want)
		}
		if text := string(raw); !strings.Contains(text, "Message-ID: <msg_1@example.com>") || strings.Contains(text, "audit@") || strings.Contains(text, "welcome") {
			t.Errorf("%s: sent\n%s\nwant the Message-ID msg_1@example.com, and neither bcc nor tags", name, text)
		}
	}
}

// Mailgun's own mock server knows no mail as MIME, and answers 404: no success.
func TestMailgunsOwnMockTakesNothing(t *testing.T) {
	t.Parallel()
	mock := mailgun.NewMockServer()
	t.Cleanup(mock.Stop)
	_, err := at(t, strings.TrimSuffix(mock.URL(), "/v3")).Send(t.Context(), letter())
	if !fault.Is(err, fault.UnknownOutcome) { // it says so in words that are not Mailgun's
		t.Errorf("error = %v, want kind %v", err, fault.UnknownOutcome)
	}
}

// What stands between refuses with any status, also once Mailgun has taken the mail.
func TestARefusalCountsInMailgunsOwnWordsAlone(t *testing.T) {
	t.Parallel()
	const own = `{"message":"` + canary + `"}`
	for _, c := range []struct{ name, kind, realm, body string }{
		{"a page", "text/html", "", "<html>" + canary},
		{"a page, for Mailgun's realm", "text/html", "MG API", "<html>" + canary},
		{"nothing", "", "", ""},
		{"nothing, for Mailgun's realm", "", "MG API", ""},
		{"Mailgun's text", "text/html", "", "Forbidden"},
		{"Mailgun's text, for another realm", "text/html", "proxy", "Forbidden"},
		{"JSON of somebody else's", "application/json", "", `{"error":"` + canary + `"}`},
		{"a message without words", "application/json", "", `{"message":""}`},
		{"a message that is none", "application/json", "", `{"message":{"text":"` + canary + `"}}`},
		{"Mailgun's message in a page", "text/html", "", own},
		{"Mailgun's message, cut short", "application/json", "", own[:len(own)-2]},
	} {
		for _, status := range []int{400, 401, 402, 403, 404, 405, 413, 420, 429, 503} {
			t.Run(fmt.Sprintf("%d with %s", status, c.name), func(t *testing.T) {
				t.Parallel()
				m := served(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", c.kind)
					if c.realm != "" {
						w.Header().Set("WWW-Authenticate", `Basic realm="`+c.realm+`"`)
					}
					w.WriteHeader(status)
					_, _ = io.WriteString(w, c.body)
				})
				_, err := m.Send(t.Context(), letter())
				if f := fault.From(err); f.Kind != fault.UnknownOutcome || f.Code != "no_answer" {
					t.Errorf("error = %+v, want %v no_answer", f, fault.UnknownOutcome)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("error = %v, want one without the words of somebody else", err)
				}
			})
		}
	}
}

func TestADomainNeedsItsNameAKeyAndAnAddress(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]mailgunmail.Options{
		"no name": {Domain: "d", APIKey: canary}, "no key": {Name: "mailgun", Domain: "d"}, "no domain": {Name: "mailgun", APIKey: canary},
		"what is no domain": {Name: "mailgun", Domain: "mg.example.com/x?", APIKey: canary},
		"no such base URL":  {Name: "mailgun", Domain: "d", APIKey: canary, HTTP: httpclient.Options{BaseURL: "smtp://example.com"}},
	} {
		if _, err := mailgunmail.New(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: error = %v, want kind %v", name, err, fault.Invalid)
		}
	}
	if _, err := mailgunmail.New(mailgunmail.Options{Name: "mailgun", Domain: "d", APIKey: canary}); err != nil {
		t.Errorf("Mailgun's own address: error = %v, want none", err)
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
