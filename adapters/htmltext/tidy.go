package htmltext

import (
	"strings"

	"golang.org/x/net/html"
)

// tidy rewrites HTML with only what html2text reads correctly: bare tags for
// lines and lists, links of one form, and no other tags. The library itself
// drops everything after an anchor without href or a link over several lines,
// joins lines that end in <br />, and takes minutes for a megabyte of ">".
func tidy(text string) string {
	var t tidier
	z := html.NewTokenizer(strings.NewReader(strings.ReplaceAll(text, "\x00", " ")))
	for hidden := false; ; {
		kind := z.Next()
		name, _ := z.TagName()
		switch tag := string(name); kind {
		case html.ErrorToken: // the end; a tag that is not complete is left out
			t.closeLink()
			return t.out.String()
		case html.TextToken:
			if !hidden {
				t.text(escaped.Replace(string(z.Raw())))
			}
			hidden = false
		case html.StartTagToken, html.SelfClosingTagToken:
			if hidden = tag == "script" || tag == "style" || tag == "title"; !hidden {
				z.NextIsNotRawText()
			}
			t.startTag(tag, z)
		case html.EndTagToken:
			hidden = false
			t.endTag(tag)
		case html.CommentToken, html.DoctypeToken: // left out
		}
	}
}

var (
	escaped = strings.NewReplacer("<", "&lt;", ">", "&gt;")
	target  = strings.NewReplacer(`"`, "%22", "<", "%3c", ">", "%3e", "\n", "", "\r", "", "&", "&amp;")
)

type tidier struct {
	out  strings.Builder
	link bool // one is open
	line bool // the next text begins a line
}

func (t *tidier) text(s string) {
	if t.line && strings.TrimSpace(s) != "" {
		t.out.WriteString("<br>")
		t.line = false
	}
	t.out.WriteString(s)
}

func (t *tidier) startTag(name string, z *html.Tokenizer) {
	switch name {
	case "a":
		t.closeLink()
		t.openLink(z)
	case "p", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "br":
		t.line = t.line && name == "br"
		t.out.WriteString("<" + name + ">")
	case "div", "tr", "table", "blockquote":
		t.line = true
	case "td", "th":
		t.text(" ")
	}
}

func (t *tidier) endTag(name string) {
	switch name {
	case "a":
		t.closeLink()
	case "p", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6":
		t.line = false
		t.out.WriteString("</" + name + ">")
	case "div", "tr", "table", "blockquote":
		t.line = true
	}
}

// openLink begins a link if the tag has a target that is not a script.
func (t *tidier) openLink(z *html.Tokenizer) {
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		href := strings.TrimSpace(string(value))
		if string(key) != "href" || href == "" || strings.HasPrefix(strings.ToLower(href), "javascript:") {
			continue
		}
		t.out.WriteString(`<a href="` + target.Replace(href) + `">`)
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
