package mailtest

import (
	"encoding/json"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
	"patchbay/tests/contract/internal/suite"
)

// StoredTemplate names the template that a provider stores, under an id of its own, if it stores any:
// see NetworkHarness.TemplateID.
const StoredTemplate = "welcome"

// Template is the source of the StoredTemplate. The text of its HTML is its text.
func Template() template.Source {
	return template.Source{
		Name: StoredTemplate, Subject: "Hello {{user.name}}",
		HTML: "<p>Order {{order}} of {{user.name}}</p>", Text: "Order {{order}} of {{user.name}}",
	}
}

// templateCases are the cases of templates that the provider stores.
func templateCases() []suite.Case[NetworkHarness] {
	return []suite.Case[NetworkHarness]{
		{
			Name: "a stored template goes by the provider's id",
			Doc:  "A message whose template the provider stores is made from that, by its id there, with the data of the message and nothing else beside it.",
			Run:  storedTemplate,
		},
		{
			Name: "data arrive as they are written",
			Doc:  "Numbers, nested objects and lists reach a stored template as they are written; data that are no object are refused with Invalid, without an attempt.",
			Run:  dataAsWritten,
		},
		{
			Name: "a message from a stored template has all else",
			Doc:  "The recipients, headers, files and metadata of a message go with a stored template as with any other, or it is refused with Unsupported.",
			Run:  templateWithAll,
		},
		{
			Name: "a template that is not stored goes as it was rendered",
			Doc:  "A message whose template the provider does not store goes out with the subject and the body that it has.",
			Run:  renderedTemplate,
		},
		{
			Name: "a template that is neither stored nor rendered is refused",
			Doc:  "A message with a template alone that the provider does not store is refused with Unsupported, without an attempt.",
			Run:  unknownTemplate,
		},
	}
}

// templated returns a message that is made from the StoredTemplate alone.
func templated(data string) email.Message {
	m := message()
	m.Subject, m.Text = "", ""
	m.TemplateID, m.TemplateData = StoredTemplate, json.RawMessage(data)
	return m
}

// stores reports whether the provider stores the StoredTemplate. If not, it checks that a message
// with that alone is refused.
func (h NetworkHarness) stores(t *testing.T) bool {
	t.Helper()
	stores := h.Mailer.Features().Stores(StoredTemplate)
	suite.Equal(t, "the mailer declares the stored template", stores, h.TemplateID != "")
	if !stores {
		wantRefused(t, h, templated(`{}`))
	}
	return stores
}

func storedTemplate(t *testing.T, h NetworkHarness) {
	if !h.stores(t) {
		return
	}
	m := templated(`{"user":{"name":"Ada"},"order":17}`)
	m.HTML, m.Text = "<p>rendered here</p>", "rendered here"
	got, _ := send(t, h.Harness, m)
	suite.Equal(t, "the template at the provider", h.onlyKept(t).Template, h.TemplateID)
	suite.Equal(t, "attempts", h.Attempts(), 1)
	wantContent(t, parse(t, h.Delivered(t)[0]), template.Content{Subject: "Hello Ada", HTML: "<p>Order 17 of Ada</p>", Text: "Order 17 of Ada"})
	h.wantMessageID(t, got, "<msg_1@example.com>")
}

func dataAsWritten(t *testing.T, h NetworkHarness) {
	if !h.stores(t) {
		return
	}
	const data = `{"user":{"name":"Ädä \"x\" <b>"},"order":12345678901234567890,"f":1.10,"list":[1,{"a":null}],"t":true}`
	if _, err := h.Mailer.Send(t.Context(), templated(data)); err != nil {
		t.Fatal(err)
	}
	suite.Equal(t, "the data at the provider", values(t, h.onlyKept(t).Data), values(t, json.RawMessage(data)))
	for _, wrong := range []string{`[1]`, `"text"`, `17`} {
		_, err := h.Mailer.Send(t.Context(), templated(wrong))
		suite.WantKind(t, err, fault.Invalid)
	}
	suite.Equal(t, "attempts", h.Attempts(), 1)
}

// values returns the values of a JSON object, each as it is written but for the blanks and the order
// of names.
func values(t *testing.T, raw json.RawMessage) map[string]string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	texts := make(map[string]string, len(all))
	for name, value := range all {
		var text string
		if json.Unmarshal(value, &text) == nil { // however it is escaped
			texts[name] = text
			continue
		}
		var nested map[string]any
		if json.Unmarshal(value, &nested) == nil {
			again, err := json.Marshal(nested)
			if err != nil {
				t.Fatal(err)
			}
			value = again
		}
		texts[name] = string(value)
	}
	return texts
}

func templateWithAll(t *testing.T, h NetworkHarness) {
	if !h.stores(t) {
		return
	}
	f := h.Mailer.Features()
	m := templated(`{"user":{"name":"Ada"},"order":17}`)
	m.Cc, m.Bcc = []email.Address{{Email: "cc@example.com"}}, []email.Address{{Email: "secret@example.com"}}
	m.ReplyTo = []email.Address{{Email: "help@example.com", Name: "Hilfe für alle"}}
	if f.Headers {
		m.Headers = map[string]string{"X-Campaign": "Frühling"}
	}
	if f.Attachments {
		m.Attachments = []email.Attachment{{Filename: "Rechnung ü.pdf", ContentType: "application/pdf", Content: []byte("PDF")}}
	}
	if f.Metadata {
		m.Metadata = map[string]string{"order": "17"}
	}
	got, body := send(t, h.Harness, m)
	suite.Equal(t, "Cc", mailboxes(t, got, "Cc"), []string{"|cc@example.com"})
	suite.Equal(t, "Reply-To", mailboxes(t, got, "Reply-To"), []string{"Hilfe für alle|help@example.com"})
	suite.Equal(t, "recipients at the provider", h.onlyKept(t).To, []string{"ada@example.com", "cc@example.com", "secret@example.com"})
	if f.Headers {
		suite.Equal(t, "X-Campaign", decoded(t, got, "X-Campaign"), "Frühling")
	}
	if last := body[len(body)-1]; f.Attachments && (last.kind != "application/pdf" || last.content != "PDF") {
		t.Errorf("the last part is %s %q, want application/pdf \"PDF\"", last.kind, last.content)
	}
	if f.Metadata {
		suite.Equal(t, "the variable order", h.onlyKept(t).Variables["order"], "17")
	}
}

func renderedTemplate(t *testing.T, h NetworkHarness) {
	m := message()
	m.TemplateID, m.TemplateData = "other", json.RawMessage(`{"user":{"name":"Ada"}}`)
	got, body := send(t, h.Harness, m)
	suite.Equal(t, "Subject", decoded(t, got, "Subject"), "Hello")
	suite.Equal(t, "the text", unix(body[0].content), "Hello Ada")
	suite.Equal(t, "the template at the provider", h.onlyKept(t).Template, "")
}

func unknownTemplate(t *testing.T, h NetworkHarness) {
	m := templated(`{}`)
	m.TemplateID = "other"
	wantRefused(t, h, m)
}
