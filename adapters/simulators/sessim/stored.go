package sessim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"patchbay/adapters/handlebars"
	"patchbay/core/template"
)

// templatesPath is that of the operations on stored templates.
//
// Source: CreateEmailTemplate, GetEmailTemplate, UpdateEmailTemplate and DeleteEmailTemplate,
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Operations.html
const templatesPath = "/v2/email/templates"

// templateName is the form of the names that an account may give.
var templateName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// storedTemplate is a template as the API writes it.
type storedTemplate struct {
	TemplateName    string
	TemplateContent templateContent
}

type templateContent struct {
	Subject string
	Text    string `json:",omitempty"`
	HTML    string `json:"Html,omitempty"`
}

// serveTemplates serves the operations on stored templates.
func (s *Sim) serveTemplates(w http.ResponseWriter, r *http.Request, body []byte) {
	answer, bad := s.operate(r.Method, strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, templatesPath), "/"), body)
	if bad != nil {
		refuse(w, bad)
		return
	}
	respond(w, http.StatusOK, answer)
}

// operate does what a request asks for, about the template of this name: without one, to create a template.
func (t *templates) operate(method, name string, body []byte) (answer any, bad *wrong) {
	var written storedTemplate
	if method == http.MethodPost || method == http.MethodPut {
		if json.Unmarshal(body, &written) != nil {
			return nil, badRequest("The request is not valid JSON.")
		}
		if name != "" {
			written.TemplateName = name
		}
		if bad := written.check(); bad != nil {
			return nil, bad
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, there := t.byName[name]
	switch {
	case method == http.MethodPost && name == "":
		if _, taken := t.byName[written.TemplateName]; taken {
			return nil, &wrong{http.StatusBadRequest, "AlreadyExistsException", "Template " + written.TemplateName + " already exists for account id 123456789012"}
		}
		t.store(written.TemplateName, written.source())
		return struct{}{}, nil
	case method == http.MethodPost || name == "" || method != http.MethodPut && method != http.MethodGet && method != http.MethodDelete:
		return nil, &wrong{http.StatusMethodNotAllowed, "UnknownOperationException", "Unable to determine service/operation name to be authorized"}
	case !there:
		return nil, &wrong{http.StatusNotFound, "NotFoundException", "Template " + name + " does not exist"}
	case method == http.MethodPut:
		t.store(name, written.source())
	case method == http.MethodDelete:
		delete(t.byName, name)
	default:
		source := t.byName[name]
		return storedTemplate{name, templateContent{source.Subject, source.Text, source.HTML}}, nil
	}
	return struct{}{}, nil
}

func (t storedTemplate) source() template.Source {
	return template.Source{Name: t.TemplateName, Subject: t.TemplateContent.Subject, Text: t.TemplateContent.Text, HTML: t.TemplateContent.HTML}
}

// check refuses what SES does not store.
func (t storedTemplate) check() *wrong {
	c := t.TemplateContent
	switch {
	case !templateName.MatchString(t.TemplateName):
		return badRequest("Invalid template name: only ASCII letters, numbers, underscores and dashes, at most 64.")
	case c.Subject == "":
		return badRequest("The subject must be specified.")
	case c.Text+c.HTML == "":
		return badRequest("At least one of the text part and the HTML part must be specified.")
	}
	if err := handlebars.Valid(t.source()); err != nil {
		return badRequest("The template cannot be parsed.")
	}
	return nil
}
