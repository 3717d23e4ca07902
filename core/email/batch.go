package email

import (
	"encoding/json"

	"patchbay/core/template"
)

// Personalization is one copy of a message: its recipients, who see each other but no recipient of
// another copy, and the data that the template is rendered with for them.
type Personalization struct {
	To           []Address       `json:"to"`
	TemplateData json.RawMessage `json:"templateData,omitempty"` // a JSON object
	// Content is what the copy says, rendered by the message's Source when it is sent. It is nil if
	// there is no Source, and is not stored.
	Content *template.Content `json:"-"`
}

// merges reports whether the provider can carry the personalizations of a message in one call.
func (f Features) merges(m Message) bool {
	return len(m.Personalizations) <= f.Personalizations &&
		(f.MergesData && f.Stores(m.TemplateID) || f.MergesContent && m.Source != nil)
}
