// Package htmltext makes the plain text of a message from its HTML.
package htmltext

import (
	"regexp"
	"strings"

	"github.com/k3a/html2text"

	"patchbay/ports"
)

var _ ports.TextRenderer = Text{}

// Text derives plain text from HTML.
type Text struct{}

var (
	lineEnds   = regexp.MustCompile(`[ \t]*\n[ \t]*`) // blanks at the ends of lines
	emptyLines = regexp.MustCompile(`\n{3,}`)
)

// Text implements ports.TextRenderer.
func (Text) Text(html string) string {
	text := html2text.HTML2TextWithOptions(tidy(html), html2text.WithUnixLineBreaks(), html2text.WithLinksInnerText())
	text = strings.ReplaceAll(text, "\r", "") // of &#13;
	text = emptyLines.ReplaceAllString(lineEnds.ReplaceAllString(text, "\n"), "\n\n")
	return strings.TrimSpace(text)
}
