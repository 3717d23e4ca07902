package mailgunmail

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// templateHelpers are those that Mailgun documents:
// https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-templates
var templateHelpers = []string{"if", "unless", "each", "with", "equal"}

var templateName = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// stored returns a form for a message that is made from a template of the domain. Its text is derived
// from the template by Mailgun. A subject in the form takes the place of the template's.
//
// Invalid: an address is not valid, or the data are no object. Unsupported: the form cannot carry the
// headers, or a file.
func stored(m email.Message, name string) (*form, error) {
	f, err := newForm(m)
	if err != nil {
		return nil, err
	}
	if err := f.addRecipients(m); err != nil {
		return nil, err
	}
	if m.Subject != "" {
		f.add("subject", m.Subject)
	}
	f.add("template", name)
	f.add("t:text", "yes")
	if len(m.TemplateData) > 0 {
		var object map[string]json.RawMessage
		if json.Unmarshal(m.TemplateData, &object) != nil {
			return nil, fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
		}
		f.add("t:variables", string(m.TemplateData)) // h:X-Mailgun-Variables would be a header that recipients see
	}
	for _, a := range m.Attachments {
		if a.Filename == "" { // Mailgun drops it silently
			return nil, fault.InvalidParam("attachments", "invalid_filename", "an attachment needs a plain file name")
		}
		if a.ContentID != "" && a.ContentID != a.Filename { // in a form, the name is the id
			return nil, unsupported("attachments")
		}
		f.addFile(a)
	}
	if f.options > maxOptions {
		return nil, unsupported("headers")
	}
	return f, nil
}

// addRecipients adds the recipients, each once.
func (f *form) addRecipients(m email.Message) error {
	seen := make(map[string]bool)
	for _, list := range []struct {
		field string
		of    []email.Address
	}{{"to", m.To}, {"cc", m.Cc}, {"bcc", m.Bcc}} {
		fresh := slices.DeleteFunc(slices.Clone(list.of), func(a email.Address) bool {
			ascii, _ := rfc5322.ASCII(a.Email) // Mailboxes returns the error
			before := seen[strings.ToLower(ascii)]
			seen[strings.ToLower(ascii)] = true
			return before && ascii != ""
		})
		mailboxes, err := rfc5322.Mailboxes(fresh)
		if err != nil {
			return err
		}
		f.add(list.field, mailboxes...)
	}
	return nil
}

func unsupported(param string) error {
	return &fault.Error{
		Kind: fault.Unsupported, Code: "feature_unsupported", Param: param,
		Message: "the provider cannot carry " + param + " beside a stored template",
	}
}
