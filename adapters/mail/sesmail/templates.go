package sesmail

import (
	"encoding/json"
	"maps"
	"mime"
	"slices"
	"strings"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// The limits of a message that is made from a template: "Template", "MessageHeader" and "Attachment" of
// the API v2.
const (
	maxData        = 262_144 // bytes of the data
	maxHeaders     = 15
	maxHeaderName  = 126
	maxHeaderValue = 870
	maxContent     = 78 // bytes of an attachment's content type, and of its content id
)

// template is a message that is made from a template that the account stores.
type template struct {
	Name        string       `json:"TemplateName"`
	Data        string       `json:"TemplateData"` // a JSON object
	Headers     []pair       `json:"Headers,omitempty"`
	Attachments []attachment `json:"Attachments,omitempty"`
}

type attachment struct {
	FileName    string `json:"FileName"`
	ContentType string `json:"ContentType"`
	Disposition string `json:"ContentDisposition"` // ATTACHMENT or INLINE
	ContentID   string `json:"ContentId,omitempty"`
	Encoding    string `json:"ContentTransferEncoding"`
	Content     []byte `json:"RawContent"` // in base64
}

// templateHelpers are those that SES documents:
// https://docs.aws.amazon.com/ses/latest/dg/send-personalized-email-advanced.html
var templateHelpers = []string{"if", "each"}

// addTemplate adds a message that is made from a template of the account. The subject is the template's.
//
// Invalid: an address is not valid, or the data are no object. Unsupported: SES cannot carry the headers
// or a file beside a template, or would put data into the HTML that must be escaped there, while the
// template can be rendered here.
func (l *letter) addTemplate(m email.Message, name string) error {
	t := &template{Name: name, Data: "{}"}
	if len(m.TemplateData) > 0 {
		var object map[string]any
		if json.Unmarshal(m.TemplateData, &object) != nil || object == nil {
			return fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
		}
		t.Data = string(m.TemplateData)
		if len(t.Data) > maxData || m.HTML+m.Text != "" && escapes(object) {
			return unsupported("templateData")
		}
	}
	if err := t.addHeaders(m); err != nil {
		return err
	}
	if err := t.addFiles(m); err != nil {
		return err
	}
	from, err := rfc5322.Mailboxes([]email.Address{m.From})
	if err != nil {
		return err
	}
	replyTo, err := rfc5322.Mailboxes(m.ReplyTo)
	if err != nil {
		return err
	}
	if err := l.address(m, rfc5322.Mailboxes); err != nil {
		return err
	}
	l.FromEmailAddress, l.ReplyToAddresses, l.Content.Template = from[0], replyTo, t
	return nil
}

// escapes reports whether data contain text that Handlebars escapes in HTML, and SES does not.
func escapes(data any) bool {
	switch v := data.(type) {
	case string:
		return strings.ContainsAny(v, "&<>\"'`=")
	case []any:
		return slices.ContainsFunc(v, escapes)
	case map[string]any:
		for _, one := range v {
			if escapes(one) {
				return true
			}
		}
	}
	return false
}

func (t *template) addHeaders(m email.Message) error {
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		value := mime.QEncoding.Encode("utf-8", m.Headers[name])
		if len(name) > maxHeaderName || len(value) > maxHeaderValue {
			return unsupported("headers")
		}
		t.Headers = append(t.Headers, pair{name, value})
	}
	if len(t.Headers) > maxHeaders {
		return unsupported("headers")
	}
	return nil
}

func (t *template) addFiles(m email.Message) error {
	for _, a := range m.Attachments {
		kind, _, _ := mime.ParseMediaType(a.ContentType)
		switch {
		case a.Filename == "":
			return fault.InvalidParam("attachments", "invalid_filename", "an attachment needs a plain file name")
		case len(a.ContentType) > maxContent, len(a.ContentID) > maxContent, kind == "message/rfc822": // it must not be in base64
			return unsupported("attachments")
		}
		one := attachment{FileName: a.Filename, ContentType: a.ContentType, Disposition: "ATTACHMENT", ContentID: a.ContentID, Encoding: "BASE64", Content: a.Content}
		if a.ContentID != "" {
			one.Disposition = "INLINE"
		}
		t.Attachments = append(t.Attachments, one)
	}
	return nil
}

func unsupported(param string) error {
	return &fault.Error{
		Kind: fault.Unsupported, Code: "feature_unsupported", Param: param,
		Message: "the provider cannot carry " + param + " beside a stored template",
	}
}
