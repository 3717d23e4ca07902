package sessim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/mail"
	"strings"
	"sync"

	"patchbay/adapters/handlebars"
	"patchbay/adapters/mail/rfc5322"
	core "patchbay/core/email"
	"patchbay/core/template"
)

// templated is a message that is made from a stored template.
type templated struct {
	TemplateName string
	TemplateData string // a JSON object
	Headers      []tag
	Attachments  []attachment
}

type attachment struct {
	FileName, ContentType, ContentDisposition, ContentID, ContentTransferEncoding, RawContent string
}

// templates are those that an account stores, by name.
type templates struct {
	mu     sync.Mutex
	byName map[string]template.Source
}

// Store stores a template under a name.
func (t *templates) Store(name string, source template.Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.store(name, source)
}

func (t *templates) store(name string, source template.Source) {
	if t.byName == nil {
		t.byName = make(map[string]template.Source)
	}
	t.byName[name] = source
}

func (t *templates) find(name string) (template.Source, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	source, ok := t.byName[name]
	return source, ok
}

// render returns a message that is made from a template, and sets the sender. rendered is false if the
// data lack a key of the template: SES accepts such a message and does not send it.
func (s *Sim) render(e *email, id string) (raw []byte, rendered bool, bad *wrong) {
	t := e.Content.Template
	source, stored := s.find(t.TemplateName)
	data := map[string]any{}
	switch {
	case e.FromEmailAddress == "":
		return nil, false, badRequest("FromEmailAddress must be given.")
	case len(t.Headers) > maxHeaders:
		return nil, false, badRequest("1 validation error detected: Value at 'content.template.headers' failed to satisfy constraint: Member must have length less than or equal to 15")
	case len(t.TemplateData) > maxData:
		return nil, false, badRequest("1 validation error detected: Value at 'content.template.templateData' failed to satisfy constraint: Member must have length less than or equal to 262144")
	case json.Unmarshal([]byte(t.TemplateData), &data) != nil:
		return nil, false, badRequest("Invalid template data: it is not a JSON object.")
	case !stored:
		return nil, false, &wrong{http.StatusNotFound, "NotFoundException", "Template " + t.TemplateName + " does not exist"}
	}
	e.sender = rfc5322.Bare(e.FromEmailAddress)
	content, err := handlebars.New(template.MissingIsError).Render(source, data)
	if err != nil {
		return nil, false, nil
	}
	if source.HTML != "" { // SES does not escape what it puts into HTML
		plain, err := handlebars.New(template.MissingIsError).Render(template.Source{Name: source.Name, Subject: source.Subject, Text: source.HTML}, data)
		if err != nil {
			return nil, false, nil
		}
		content.HTML = plain.Text
	}
	m := core.Message{
		From: parsed(e.FromEmailAddress)[0], To: parsed(e.Destination.ToAddresses...), Cc: parsed(e.Destination.CcAddresses...), ReplyTo: parsed(e.ReplyToAddresses...),
		Subject: content.Subject, HTML: content.HTML, Text: content.Text, Headers: map[string]string{}, MessageID: s.messageID(id), CreatedAt: s.options.Now(),
	}
	for _, h := range t.Headers {
		if len(h.Name) > 126 || len(h.Value) > 870 || strings.ContainsFunc(h.Value, func(r rune) bool { return r > 126 || r < ' ' }) {
			return nil, false, badRequest("Invalid header: " + h.Name)
		}
		m.Headers[h.Name] = h.Value
	}
	if m.Attachments, bad = t.files(); bad != nil {
		return nil, false, bad
	}
	var b bytes.Buffer
	if err := rfc5322.Write(&b, m); err != nil {
		return nil, false, badRequest("The message cannot be written.")
	}
	return b.Bytes(), true, nil
}

func (t *templated) files() (all []core.Attachment, bad *wrong) {
	for _, a := range t.Attachments {
		content, err := base64.StdEncoding.DecodeString(a.RawContent)
		inline := a.ContentDisposition == "INLINE"
		switch {
		case err != nil, len(content) == 0, a.FileName == "", len(a.FileName) > 255, len(a.ContentType) > 78, len(a.ContentID) > 78:
			return nil, badRequest("Invalid attachment.")
		case a.ContentTransferEncoding != "BASE64", !inline && a.ContentDisposition != "ATTACHMENT", inline != (a.ContentID != ""):
			return nil, badRequest("Invalid attachment.")
		}
		all = append(all, core.Attachment{Filename: a.FileName, ContentType: a.ContentType, ContentID: a.ContentID, Content: content})
	}
	return all, nil
}

// parsed returns mailboxes that were checked.
func parsed(texts ...string) (all []core.Address) {
	for _, text := range texts {
		if a, err := mail.ParseAddress(text); err == nil {
			all = append(all, core.Address{Email: rfc5322.Bare(text), Name: a.Name})
		}
	}
	return all
}
