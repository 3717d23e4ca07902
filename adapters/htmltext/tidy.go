package htmltext

import (
	"regexp"
	"strings"
)

// tidy writes HTML again with only what html2text reads rightly: bare tags for
// lines and lists, links of one form, and no other mark. The library itself
// drops all that follows an anchor without href or a link over several lines,
// joins lines that end in <br />, and takes minutes for a megabyte of ">".
//
// It reads tags as the HTML standard does (§13.2.5), in one pass.
func tidy(html string) string {
	html = strings.ReplaceAll(html, "\x00", " ")
	t := tidier{in: html, lower: lower(html)}
	for t.at < len(t.in) {
		next := strings.IndexAny(t.in[t.at:], "<>")
		if next < 0 {
			t.text(t.in[t.at:])
			break
		}
		t.text(t.in[t.at : t.at+next])
		t.at += next
		if t.in[t.at] == '<' {
			t.mark()
		} else {
			t.text("&gt;")
			t.at++
		}
	}
	t.closeLink()
	return t.out.String()
}

type tidier struct {
	in, lower string
	at        int
	out       strings.Builder
	link      bool // one is open
	line      bool // the next text begins a line
}

func (t *tidier) text(s string) {
	if t.line && strings.TrimSpace(s) != "" {
		t.out.WriteString("<br>")
		t.line = false
	}
	t.out.WriteString(s)
}

// mark reads what begins with "<". A tag or a comment that never ends reaches
// to the end.
func (t *tidier) mark() {
	rest := t.lower[t.at:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		t.skip(rest, 4, "-->")
	case len(rest) > 1 && (rest[1] == '!' || rest[1] == '?'):
		t.skip(rest, 2, ">")
	case len(rest) > 1 && letter(rest[1]), len(rest) > 2 && rest[1] == '/' && letter(rest[2]):
		t.tag(rest)
	default:
		t.text("&lt;")
		t.at++
	}
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' }

// skip leaves out what ends with a mark.
func (t *tidier) skip(rest string, from int, mark string) {
	if end := strings.Index(rest[from:], mark); end >= 0 {
		t.at += from + end + len(mark)
	} else {
		t.at = len(t.in)
	}
}

func (t *tidier) tag(rest string) {
	end := tagEnd(rest)
	if end < 0 {
		t.at = len(t.in)
		return
	}
	name := rest[1:end]
	if i := strings.IndexAny(name[1:], " \t\n\f\r/"); i >= 0 {
		name = name[:i+1]
	}
	attributes := t.in[t.at+1+len(name) : t.at+end]
	t.at += end + 1
	switch name {
	case "script", "style", "title":
		t.skip(t.lower[t.at:], 0, "</"+name)
		t.skip(t.lower[t.at:], 0, ">")
	case "a":
		t.closeLink()
		t.openLink(attributes)
	case "/a":
		t.closeLink()
	case "p", "/p", "ul", "/ul", "ol", "/ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "/h1", "/h2", "/h3", "/h4", "/h5", "/h6", "br":
		t.line = t.line && name == "br"
		t.out.WriteString("<" + name + ">")
	case "div", "/div", "tr", "/tr", "table", "/table", "blockquote", "/blockquote":
		t.line = true
	case "td", "th":
		t.text(" ")
	}
}

// tagEnd is where a tag has its ">": not in a value in quotes.
func tagEnd(tag string) int {
	var quote byte
	for i := range len(tag) {
		switch c := tag[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return i
		case (c == '"' || c == '\'') && tag[i-1] == '=':
			quote = c
		}
	}
	return -1
}

// attribute is one name with its value, in double, single or no quotes.
var attribute = regexp.MustCompile(`([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?`)

func (t *tidier) openLink(attributes string) {
	for _, a := range attribute.FindAllStringSubmatch(attributes, -1) {
		target := strings.TrimSpace(a[2] + a[3] + a[4])
		if !strings.EqualFold(a[1], "href") || target == "" || strings.HasPrefix(lower(target), "javascript:") {
			continue
		}
		t.out.WriteString(`<a href="` + strings.NewReplacer(`"`, "%22", "<", "%3c", ">", "%3e", "\n", "", "\r", "").Replace(target) + `">`)
		t.link = true
		return
	}
}

func (t *tidier) closeLink() {
	if t.link {
		t.out.WriteString("</a>")
		t.link = false
	}
}

// lower is s with small ASCII letters and, unlike strings.ToLower, the same
// length.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
