package sendgridmail_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// A stored template goes out by its id, with the data as they are written, and without a subject or a
// body, which SendGrid would refuse beside it.
func TestAStoredTemplateIsSentByItsIDAndAnotherAsItWasRendered(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, template, data, want, without string }{
		{"a stored template is sent by its id", "welcome", `{"name":"Ada"}`, `"template_id":"d-17"`, `"content"`},
		{"its subject is the template's", "welcome", `{"name":"Ada"}`, `"template_id":"d-17"`, `"subject"`},
		{"an id is sent as it is", "d-99", `{}`, `"template_id":"d-99"`, `"content"`},
		{"data are nested", "welcome", `{"user":{"names":["Ada"]}}`, `"dynamic_template_data":{"user":{"names":["Ada"]}}`, `"content"`},
		{"numbers stay as they are written", "welcome", `{"n":12345678901234567890,"f":1.10}`, `"n":12345678901234567890`, `"content"`},
		{"a template that is not stored is sent as it was rendered", "bye", `{"name":"Ada"}`, `"content":[{"type":"text/plain","value":"Hello Ada"}]`, `"template_id"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = string(body)
				w.WriteHeader(http.StatusAccepted)
			}))
			t.Cleanup(server.Close)
			m, err := sendgridmail.New(sendgridmail.Options{
				Name: "sendgrid", APIKey: canary, Templates: map[string]string{"welcome": "d-17"}, HTTP: httpclient.Options{BaseURL: server.URL},
			})
			if err != nil {
				t.Fatal(err)
			}
			message := letter()
			message.TemplateID, message.TemplateData = tt.template, json.RawMessage(tt.data)
			if _, err := m.Send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("request = %s, want one with %s", got, tt.want)
			}
			if strings.Contains(got, tt.without) {
				t.Errorf("request = %s, want none with %s", got, tt.without)
			}
		})
	}
}

func TestATemplateThatIsNeitherStoredNorRenderedIsUnsupported(t *testing.T) {
	t.Parallel()
	m := served(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made, want none") })
	message := letter()
	message.TemplateID, message.Subject, message.HTML, message.Text = "bye", "", "", ""
	if _, err := m.Send(t.Context(), message); !fault.Is(err, fault.Unsupported) || fault.From(err).Param != "templateId" {
		t.Errorf("error = %v, want kind %v at templateId", err, fault.Unsupported)
	}
}

// batch returns a message whose copies are made from a stored template.
func batch(n int, data string) email.Message {
	m := letter()
	m.To, m.Subject, m.Text, m.TemplateID = nil, "", "", "d-17"
	for i := range n {
		m.Personalizations = append(m.Personalizations, email.Personalization{
			To: []email.Address{{Email: fmt.Sprintf("reader-%d@example.com", i)}}, TemplateData: json.RawMessage(data),
		})
	}
	return m
}

// What SendGrid sends about a copy has its marks: the id of the message is the same for all of them.
func TestEachPersonalizationHasDataAndMarks(t *testing.T) {
	t.Parallel()
	var got struct {
		Personalizations []struct {
			To                  []struct{ Email string }
			CustomArgs          map[string]string `json:"custom_args"`
			DynamicTemplateData map[string]any    `json:"dynamic_template_data"`
		}
	}
	m := served(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&got)
		w.WriteHeader(http.StatusAccepted)
	})
	if _, err := m.Send(t.Context(), batch(2, `{"a":{"b":1}}`)); err != nil {
		t.Fatal(err)
	}
	if len(got.Personalizations) != 2 {
		t.Fatalf("%d personalizations, want 2", len(got.Personalizations))
	}
	for i, p := range got.Personalizations {
		if want := fmt.Sprintf("reader-%d@example.com", i); len(p.To) != 1 || p.To[0].Email != want {
			t.Errorf("to = %v, want %s alone", p.To, want)
		}
		if p.CustomArgs[email.IDVariable] != "msg_1" {
			t.Errorf("custom_args = %v, want the mark of msg_1", p.CustomArgs)
		}
		if data, _ := json.Marshal(p.DynamicTemplateData); string(data) != `{"a":{"b":1}}` {
			t.Errorf("dynamic_template_data = %s, want {\"a\":{\"b\":1}}", data)
		}
	}
}

func TestABatchIsWithinTheSizeOfARequest(t *testing.T) {
	t.Parallel()
	m := served(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was made, want none") })
	if _, err := m.Send(t.Context(), batch(31, `{"text":"`+strings.Repeat("x", 1_000_000)+`"}`)); !fault.Is(err, fault.Invalid) {
		t.Errorf("31 MB: error = %v, want kind %v", err, fault.Invalid)
	}
}
