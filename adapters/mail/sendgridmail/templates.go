package sendgridmail

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// templates has the ids of the dynamic templates that an account stores, by name.
type templates map[string]string

// templateHelpers are those that SendGrid documents:
// https://www.twilio.com/docs/sendgrid/for-developers/sending-email/using-handlebars
var templateHelpers = []string{
	"if", "unless", "each", "and", "or", "equals", "notEquals", "greaterThan", "lessThan", "length", "insert", "formatDate",
}

// id returns the id of a template at SendGrid, or "" if it is not stored there. A message may also
// name it by the id itself.
func (t templates) id(template string) string {
	if isTemplateID(template) {
		return template
	}
	return t[template]
}

func isTemplateID(s string) bool { return strings.HasPrefix(s, "d-") }

// setContent sets the template that the account stores, with its data, or else the subject and the
// body. It returns Invalid if the data are no object.
func (t templates) setContent(letter *mail.SGMailV3, to *mail.Personalization, m email.Message) error {
	id := t.id(m.TemplateID)
	if id == "" {
		letter.Subject, letter.Content = m.Subject, nil
		for _, part := range []struct{ kind, text string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
			if part.text != "" {
				letter.AddContent(mail.NewContent(part.kind, part.text))
			}
		}
		return nil
	}
	letter.SetTemplateID(id)
	if len(m.TemplateData) == 0 {
		return nil
	}
	data := json.NewDecoder(bytes.NewReader(m.TemplateData))
	data.UseNumber() // numbers go on as they are written
	if err := data.Decode(&to.DynamicTemplateData); err != nil {
		return fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
	}
	return nil
}
