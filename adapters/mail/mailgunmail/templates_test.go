package mailgunmail_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// storing returns a mailer whose domain stores the template welcome, as greeting.
func storing(t *testing.T) (*mailgunmail.Mailer, *mailgunsim.Sim) {
	t.Helper()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	sim.Store("greeting", mailgunsim.Version{Active: true, Tag: "one", Template: "<p>Hello {{name}}</p>", Headers: map[string]string{"Subject": "From the template"}})
	m, err := mailgunmail.New(mailgunmail.Options{
		Name: "mailgun", Domain: sim.Domain(), APIKey: sim.Key(), Templates: map[string]string{"welcome": "greeting", "gone": "away"},
		HTTP: httpclient.Options{BaseURL: sim.URL()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, sim
}

func templated() email.Message {
	m := letter()
	m.TemplateID, m.TemplateData = "welcome", json.RawMessage(`{"name": "Ada"}`)
	return m
}

// The form and MIME each carry what the other cannot.
func TestAMessageOfAStoredTemplateGoesInTheFormThatCarriesIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		change      func(m *email.Message)
		path        string // empty if it does not go
		want, param string
	}{
		{"its subject takes the place of the template's", func(*email.Message) {}, "messages", "Subject: Hello\r\n", ""},
		{"without one, the template's is sent", func(m *email.Message) { m.Subject = "" }, "messages", "Subject: From the template\r\n", ""},
		{"the text is derived from the template", func(m *email.Message) { m.Text, m.HTML = "", "" }, "messages", "\r\n\r\nHello Ada", ""},
		{"an inline file is found by its name", inlineAs("logo.png"), "messages", "<logo.png>", ""},
		{"one with another id goes with the message as it was rendered here", inlineAs("logo"), "messages.mime", "<logo>", ""},
		{"without that, it is refused", without(inlineAs("logo")), "", "", "attachments"},
		{"more than 16 kB of headers go with the message as it was rendered here", manyHeaders, "messages.mime", "Hello Ada", ""},
		{"without that, they are refused", without(manyHeaders), "", "", "headers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mailer, sim := storing(t)
			m := templated()
			tt.change(&m)
			_, err := mailer.Send(t.Context(), m)
			if tt.path == "" {
				if f := fault.From(err); !fault.Is(err, fault.Unsupported) || f.Param != tt.param {
					t.Errorf("error = %v at %q, want unsupported at %q", err, f.Param, tt.param)
				}
				if n := len(sim.Requests()); n != 0 {
					t.Errorf("%d requests were made, want none", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := sim.Requests()[0].Path, "/v3/mg.example.com/"+tt.path; got != want {
				t.Errorf("path = %s, want %s", got, want)
			}
			if got := string(sim.Delivered()[0]); !strings.Contains(got, tt.want) {
				t.Errorf("message = %s, want one with %q", got, tt.want)
			}
		})
	}
}

func inlineAs(id string) func(*email.Message) {
	return func(m *email.Message) {
		m.Attachments = []email.Attachment{{Filename: "logo.png", ContentType: "image/png", ContentID: id, Content: []byte("PNG")}}
	}
}

func manyHeaders(m *email.Message) {
	m.Headers = map[string]string{}
	for i := range 17 {
		m.Headers[fmt.Sprint("X-", i)] = strings.Repeat("v", 998)
	}
}

// without makes a change to a message that was not rendered here.
func without(change func(*email.Message)) func(*email.Message) {
	return func(m *email.Message) {
		change(m)
		m.Subject, m.Text = "", ""
	}
}

func TestNoHeaderTellsRecipientsTheDataOfATemplate(t *testing.T) {
	t.Parallel()
	mailer, sim := storing(t)
	m := templated()
	m.TemplateData = json.RawMessage(`{"name": "Ada", "plan": {"secret": "canary"}}`)
	if _, err := mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := string(sim.Delivered()[0]); strings.Contains(got, "canary") {
		t.Errorf("message = %s, want one without the data that the template does not print", got)
	}
}

// Another provider may have the template, and other messages can still be sent: the breaker is not to
// count it.
func TestATemplateThatMailgunDoesNotStoreIsRefused(t *testing.T) {
	t.Parallel()
	mailer, _ := storing(t)
	m := templated()
	m.TemplateID = "gone"
	_, err := mailer.Send(t.Context(), m)
	if f := fault.From(err); !fault.Is(err, fault.Refused) || f.Code != "template_unknown" {
		t.Errorf("error = %v (%s), want refused (template_unknown)", err, f.Code)
	}
}

func TestAnAnswerToAFormMeansTheSame(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		kind       fault.Kind
	}{
		{"the page of a wrong path", "Mailgun Magnificent API", fault.UnknownOutcome},
		{"JSON without an id", `{"message":"Queued. Thank you."}`, fault.UnknownOutcome},
		{"JSON that ends early", `{"id":"<1@mg.example.com>"`, fault.UnknownOutcome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := served(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.body)) })
			if _, err := m.Send(t.Context(), copies(2)); !fault.Is(err, tt.kind) {
				t.Errorf("error = %v, want kind %v", err, tt.kind)
			}
		})
	}
}
