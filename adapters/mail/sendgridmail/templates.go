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

// setContent sets the subject and the body of a message that is made from no stored template.
func setContent(letter *mail.SGMailV3, m email.Message) {
	letter.Subject = m.Subject
	for _, part := range []struct{ kind, text string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		if part.text != "" {
			letter.AddContent(mail.NewContent(part.kind, part.text))
		}
	}
}

// setTemplate sets the template that the account stores, and the data of each personalization. It
// returns Invalid if the data are no object.
func setTemplate(letter *mail.SGMailV3, id string, m email.Message) error {
	letter.SetTemplateID(id)
	if len(m.Personalizations) == 0 {
		return setData(letter.Personalizations[0], m.TemplateData)
	}
	for i, p := range m.Personalizations {
		if err := setData(letter.Personalizations[i], p.TemplateData); err != nil {
			return err
		}
	}
	return nil
}

func setData(to *mail.Personalization, raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	data := json.NewDecoder(bytes.NewReader(raw))
	data.UseNumber() // numbers go on as they are written
	if err := data.Decode(&to.DynamicTemplateData); err != nil {
		return fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
	}
	return nil
}
