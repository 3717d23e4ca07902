package emails

import (
	"context"
	"encoding/json"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

var errNoTemplate = fault.InvalidParam("templateId", "template_not_found", "there is no template of this name, neither here nor at a provider")

// render renders the template of a draft by its local source. A draft whose template has no source
// here stays as it is: a provider that stores the template renders it.
//
// Invalid: no such template is here or at a provider (template_not_found), or it cannot be rendered
// with the data: see ports.TemplateRenderer.
func (s *Service) render(d *email.Draft) error {
	if d.TemplateID == "" {
		return nil
	}
	data := map[string]any{}
	if len(d.TemplateData) > 0 && json.Unmarshal(d.TemplateData, &data) != nil {
		return fault.InvalidParam("templateData", "invalid_template_data", "templateData must be an object")
	}
	if s.Templates != nil {
		source, err := s.Templates.Find(d.TemplateID)
		if err == nil {
			content, err := s.Renderer.Render(source, data)
			d.Subject, d.HTML, d.Text = content.Subject, content.HTML, content.Text
			return err
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	if slices.ContainsFunc(s.Mailers, func(m ports.Mailer) bool { return m.Features().Stores(d.TemplateID) }) {
		return nil
	}
	return errNoTemplate
}

// replayDespite answers a request whose template cannot be rendered: if its key is taken, the message
// was accepted while it could.
func (s *Service) replayDespite(ctx context.Context, key idempotency.Key, err error) (email.Message, bool, error) {
	if key.Empty() {
		return email.Message{}, false, err
	}
	m, replayErr := s.replay(ctx, key)
	if fault.Is(replayErr, fault.NotFound) {
		return email.Message{}, false, err
	}
	return m, replayErr == nil, replayErr
}
