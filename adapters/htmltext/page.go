package htmltext

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// page is the text so far. White space is written only before the next word, so that none is left at
// the end of a line.
type page struct {
	b       strings.Builder
	lines   int      // line ends due before the next word, 2 at most
	space   bool     // a blank is due
	bullet  string   // the mark of a list's item, due before the next word
	indents []string // of the lines
}

func (p *page) text() string { return strings.ToValidUTF8(p.b.String(), "\uFFFD") }

func (p *page) len() int { return p.b.Len() }

// write adds text. Unless it is kept as it is, white space of any length is one blank.
func (p *page) write(s string, kept bool) {
	if kept {
		for i, line := range strings.Split(s, "\n") {
			if i > 0 {
				p.newLine()
			}
			p.keep(strings.TrimRightFunc(line, unicode.IsSpace))
		}
		return
	}
	for s != "" {
		n := strings.IndexFunc(s, blank)
		if n < 0 {
			n = len(s)
		}
		if n > 0 {
			p.word(s[:n])
		} else {
			_, n = utf8.DecodeRuneInString(s)
			p.blank()
		}
		s = s[n:]
	}
}

// keep adds a line as it is.
func (p *page) keep(line string) {
	if line = strings.ReplaceAll(line, "\r", ""); line != "" {
		p.word(line)
	}
}

// blank reports whether a character is white space. A soft hyphen is not shown within a line.
func blank(r rune) bool { return unicode.IsSpace(r) || r == 0 }

// word adds a word with what is due before it.
func (p *page) word(s string) {
	if s = strings.ReplaceAll(s, "\u00ad", ""); s == "" {
		return
	}
	begins := p.b.Len() == 0
	if !begins && p.lines > 0 {
		p.b.WriteString("\n\n"[:p.lines])
	}
	switch {
	case begins || p.lines > 0:
		p.beginLine()
	case p.space:
		p.b.WriteByte(' ')
	}
	p.b.WriteString(s)
	p.lines, p.space = 0, false
}

// beginLine writes the indents of a line. The innermost one is where a bullet stands.
func (p *page) beginLine() {
	for i, indent := range p.indents {
		if p.bullet != "" && i == len(p.indents)-1 {
			indent = p.bullet
			p.bullet = ""
		}
		p.b.WriteString(indent)
	}
}

func (p *page) blank() { p.space = true }

// breakLine ends the line, if there is one, and leaves an empty line if n is 2.
func (p *page) breakLine(n int) {
	if n > 0 {
		p.lines, p.space = max(p.lines, n), false
	}
}

// newLine ends the line even if it is empty.
func (p *page) newLine() { p.lines, p.space = min(p.lines+1, 2), false }

// indent and outdent begin and end the indent of an element.
func (p *page) indent(s string) {
	if s != "" {
		p.indents = append(p.indents, s)
	}
}

func (p *page) outdent(s string) {
	if s != "" && len(p.indents) > 0 {
		p.indents, p.bullet = p.indents[:len(p.indents)-1], ""
	}
}

// mark begins the indent of a list's item. Further lines of the item stand below its text.
func (p *page) mark(bullet, indent string) {
	p.indent(strings.Repeat(" ", max(len(indent), len(bullet))))
	p.bullet = bullet
}

// address adds the address of a link whose text begins at from, unless the text is the address.
func (p *page) address(target string, from int) {
	text := strings.TrimSpace(p.b.String()[from:])
	if text == target || "mailto:"+text == target || "tel:"+text == target {
		return
	}
	if text == "" {
		p.word("<" + target + ">")
		return
	}
	due := p.lines
	p.lines, p.space = 0, true
	p.word("<" + target + ">")
	p.lines = due
}

// bullet returns the mark of the next item of the innermost list.
func (r *renderer) bullet() string {
	for i := len(r.open) - 2; i >= 0; i-- { // the item itself is the last
		switch e := &r.open[i]; e.tag {
		case atom.Ol:
			e.next++
			return strconv.Itoa(e.next-1) + ". "
		case atom.Ul:
			return "- "
		default:
		}
	}
	return "- "
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func number(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return 1
}

// target returns the address of a link as it is shown: empty if it leads nowhere, or does not lead
// to a place at all.
func target(href string) string {
	href = strings.NewReplacer("\n", "", "\r", "", "\t", "", "<", "%3c", ">", "%3e", `"`, "%22").Replace(strings.TrimSpace(href))
	scheme, _, _ := strings.Cut(strings.ToLower(href), ":")
	if strings.HasPrefix(href, "#") || scheme == "javascript" || scheme == "vbscript" || scheme == "data" {
		return ""
	}
	return strings.Join(strings.Fields(href), "%20")
}

// hides reports whether an element says that it is not shown: preview texts do.
func hides(t html.Token) bool {
	for _, a := range t.Attr {
		if a.Key == "hidden" || a.Key == "style" && hiddenStyle(a.Val) {
			return true
		}
	}
	return false
}

func hiddenStyle(style string) bool {
	for declaration := range strings.SplitSeq(strings.ToLower(style), ";") {
		property, value, _ := strings.Cut(declaration, ":")
		value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
		switch strings.TrimSpace(property) {
		case "display":
			if value == "none" {
				return true
			}
		case "visibility":
			if value == "hidden" || value == "collapse" {
				return true
			}
		case "font-size", "opacity", "max-height":
			if zero(value) {
				return true
			}
		}
	}
	return false
}

// zero reports whether a length is nothing, in whatever unit.
func zero(value string) bool {
	n, err := strconv.ParseFloat(strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz%"), 64)
	return err == nil && n == 0
}
