package ports

import "patchbay/core/template"

// Templates are the local sources of email templates.
type Templates interface {
	// Find returns the newest source of a template. NotFound.
	Find(name string) (template.Source, error)
}

// TemplateRenderer renders email templates.
type TemplateRenderer interface {
	// Render renders a template with the values of JSON: nil, bool, float64, string, []any and
	// map[string]any. The same source and the same data have the same content.
	//
	// Invalid: the template has a mistake, the data lack a key, or a value cannot be printed.
	Render(s template.Source, data map[string]any) (template.Content, error)
}
