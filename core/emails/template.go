package emails

import (
	"encoding/json"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
	"patchbay/ports"
)

var (
	errNoTemplate      = fault.InvalidParam("templateId", "template_not_found", "there is no template of this name, neither here nor at a provider")
	errNoBatchTemplate = fault.InvalidParam("template_id", errNoTemplate.Code, errNoTemplate.Message)
)

// renderDraft renders the template of a draft by its local source. A draft whose template has no source
// here loses a body of its own, and so goes only to providers that store the template: any other would send
// something else than they do.
//
// Invalid: as for source and content.
func (s *Service) renderDraft(d *email.Draft) error {
	if d.TemplateID == "" {
		return nil
	}
	source, err := s.source(d.TemplateID)
	if err != nil {
		return err
	}
	content, err := s.content(source, d.TemplateData)
	switch {
	case err != nil:
		return err
	case content != nil:
		d.Subject, d.HTML, d.Text = content.Subject, content.HTML, content.Text
	default:
		d.HTML, d.Text = "", ""
	}
	return nil
}

// source returns the local source of a template, nil if only a provider has the template. Invalid
// with code template_not_found: nobody has it.
func (s *Service) source(name string) (*template.Source, error) {
	if s.Templates != nil {
		source, err := s.Templates.Find(name)
		if err == nil {
			return &source, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	if slices.ContainsFunc(s.Mailers, func(m ports.Mailer) bool { return m.Features().Stores(name) }) {
		return nil, nil
	}
	return nil, errNoTemplate
}

// content renders a source with the data of a request, nil if there is no source. Invalid: the data
// are no object, or as for ports.TemplateRenderer.
func (s *Service) content(source *template.Source, raw json.RawMessage) (*template.Content, error) {
	data := map[string]any{}
	if len(raw) > 0 && json.Unmarshal(raw, &data) != nil {
		return nil, fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
	}
	if source == nil {
		return nil, nil
	}
	content, err := s.Renderer.Render(*source, data)
	if err != nil {
		return nil, err
	}
	return &content, nil
}
