// Package render turns one form of a message into another.
package render

import (
	"strings"

	"github.com/k3a/html2text"

	"patchbay/ports"
)

var _ ports.TextRenderer = Text{}

// Text derives plain text from HTML.
type Text struct{}

// Text implements ports.TextRenderer.
func (Text) Text(html string) string {
	return strings.TrimSpace(html2text.HTML2TextWithOptions(html, html2text.WithUnixLineBreaks(), html2text.WithLinksInnerText()))
}
