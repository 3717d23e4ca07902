package sendgridmail_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/sendgridmail"
	"patchbay/core/fault"
)

// A stored template goes out by its id, with the data as they are written, and without a subject or a
// body, which SendGrid would refuse beside it.
func TestTemplates(t *testing.T) {
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
