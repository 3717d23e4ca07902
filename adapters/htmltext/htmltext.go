// Package htmltext derives the plain text of an HTML message, as a mail program without HTML would
// show it.
package htmltext

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"patchbay/ports"
)

var _ ports.TextRenderer = Text{}

// Text implements ports.TextRenderer.
type Text struct{}

// Text returns the text that an HTML message shows. Elements that are hidden, as preview texts are,
// are left out; an image is its alternative text; a link is followed by its address. It takes time
// and memory in proportion to the message, whatever is in it.
func (Text) Text(source string) string {
	r := renderer{}
	z := html.NewTokenizer(strings.NewReader(strings.ReplaceAll(source, "\x00", " ")))
	for {
		switch z.Next() {
		case html.ErrorToken: // the end
			r.closeAll()
			return r.out.text()
		case html.TextToken:
			r.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			r.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			r.end(atom.Lookup(name))
		default: // comments show nothing
		}
	}
}

// maxOpen is how many elements may be open. Elements deeper than that are taken for a part of the
// one around them.
const maxOpen = 500

// renderer follows the elements of a document.
type renderer struct {
	out    page
	open   []element
	hidden int // how many of the open elements show nothing
	pre    int // how many keep their white space
	link   link
}

// element is an open element.
type element struct {
	tag    atom.Atom
	hidden bool
	next   int // number of the next item, in a numbered list
}

// link is the link that is open.
type link struct {
	target string // empty if none is
	from   int    // where its text begins
}

// kind says how an element is set.
type kind struct {
	lines  int    // line ends before and after it: 2 for an empty line
	indent string // of what is in it
	hides  bool   // what is in it is not shown
}

// kinds are those of elements that are not a part of a line.
var kinds = map[atom.Atom]kind{
	atom.P: {lines: 2}, atom.H1: {lines: 2}, atom.H2: {lines: 2}, atom.H3: {lines: 2}, atom.H4: {lines: 2}, atom.H5: {lines: 2}, atom.H6: {lines: 2},
	atom.Ul: {lines: 2}, atom.Ol: {lines: 2}, atom.Dl: {lines: 2}, atom.Pre: {lines: 2}, atom.Blockquote: {lines: 2, indent: "> "},
	atom.Li: {lines: 1, indent: "  "}, atom.Dt: {lines: 1}, atom.Dd: {lines: 1, indent: "  "},
	atom.Div: {lines: 1}, atom.Table: {lines: 1}, atom.Tr: {lines: 1}, atom.Caption: {lines: 1}, atom.Center: {lines: 1}, atom.Form: {lines: 1},
	atom.Address: {lines: 1}, atom.Article: {lines: 1}, atom.Aside: {lines: 1}, atom.Footer: {lines: 1}, atom.Header: {lines: 1}, atom.Main: {lines: 1},
	atom.Nav: {lines: 1}, atom.Section: {lines: 1}, atom.Figure: {lines: 1}, atom.Figcaption: {lines: 1}, atom.Fieldset: {lines: 1}, atom.Legend: {lines: 1},
	atom.Head: {hides: true}, atom.Title: {hides: true}, atom.Script: {hides: true}, atom.Style: {hides: true}, atom.Template: {hides: true},
	atom.Iframe: {hides: true}, atom.Noembed: {hides: true}, atom.Noframes: {hides: true}, atom.Object: {hides: true}, atom.Svg: {hides: true},
	atom.Select: {hides: true}, atom.Audio: {hides: true}, atom.Video: {hides: true}, atom.Datalist: {hides: true},
}

// empty are elements that have no end tag.
var empty = map[atom.Atom]bool{
	atom.Area: true, atom.Base: true, atom.Br: true, atom.Col: true, atom.Hr: true, atom.Img: true, atom.Input: true, atom.Link: true,
	atom.Meta: true, atom.Source: true, atom.Track: true, atom.Wbr: true, atom.Embed: true, atom.Param: true,
}

func (r *renderer) text(s string) {
	if r.hidden == 0 {
		r.out.write(s, r.pre > 0)
	}
}

func (r *renderer) start(t html.Token) {
	tag := t.DataAtom
	r.imply(tag)
	if empty[tag] {
		if r.hidden == 0 && !hides(t) {
			r.single(t)
		}
		return
	}
	if tag == atom.A {
		r.endLink()
	}
	k := kinds[tag]
	e := element{tag: tag, hidden: k.hides || hides(t), next: 1}
	if tag == atom.Ol {
		e.next = number(attribute(t, "start"))
	}
	if len(r.open) == maxOpen {
		return
	}
	r.open = append(r.open, e)
	if e.hidden {
		r.hidden++
	}
	if r.hidden > 0 {
		return
	}
	r.begin(t, k)
}

// begin sets an element that is shown.
func (r *renderer) begin(t html.Token, k kind) {
	lines := k.lines
	switch t.DataAtom {
	case atom.Ul, atom.Ol:
		if r.within(atom.Li) {
			lines = 1
		}
	case atom.Li:
		r.out.breakLine(lines)
		r.out.mark(r.bullet(), k.indent)
		return
	case atom.Td, atom.Th:
		r.out.blank()
	case atom.Q:
		r.out.write(`"`, false)
	case atom.Pre:
		r.pre++
	case atom.A:
		r.link = link{target: target(attribute(t, "href")), from: r.out.len()}
	default:
	}
	r.out.breakLine(lines)
	r.out.indent(k.indent)
}

// single sets an element without content.
func (r *renderer) single(t html.Token) {
	switch t.DataAtom {
	case atom.Br:
		r.out.newLine()
	case atom.Hr:
		r.out.breakLine(2)
		r.out.write("----------", false)
		r.out.breakLine(2)
	case atom.Img, atom.Input:
		if t.DataAtom == atom.Img || attribute(t, "type") == "image" {
			r.out.write(attribute(t, "alt"), false)
		}
	default:
	}
}

// end closes an element, and those within it that are still open.
func (r *renderer) end(tag atom.Atom) {
	if tag == atom.Br || tag == atom.P && !r.within(atom.P) { // as a browser takes such an end tag
		r.out.breakLine(1)
		return
	}
	for i := len(r.open) - 1; i >= 0; i-- {
		if r.open[i].tag == tag {
			r.closeTo(i)
			return
		}
	}
}

func (r *renderer) closeAll() { r.closeTo(0) }

// closeTo closes the open elements from the i-th on, the innermost first.
func (r *renderer) closeTo(i int) {
	for n := len(r.open) - 1; n >= i; n-- {
		e := r.open[n]
		r.open = r.open[:n]
		shown := r.hidden == 0
		if e.hidden {
			r.hidden--
		}
		if !shown {
			continue
		}
		k := kinds[e.tag]
		switch e.tag {
		case atom.A:
			r.endLink()
		case atom.Pre:
			r.pre--
		case atom.Q:
			r.out.write(`"`, false)
		case atom.Ul, atom.Ol:
			if r.within(atom.Li) {
				k.lines = 1
			}
		default:
		}
		r.out.outdent(k.indent)
		r.out.breakLine(k.lines)
	}
}

// endLink writes the address of a link behind its text, even if a block has ended in between.
func (r *renderer) endLink() {
	if l := r.link; l.target != "" {
		r.link = link{}
		r.out.address(l.target, l.from)
	}
}

// implied are the elements that a start tag ends, up to a parent.
var implied = map[atom.Atom]struct{ ends, within []atom.Atom }{
	atom.Li: {[]atom.Atom{atom.Li}, []atom.Atom{atom.Ul, atom.Ol}},
	atom.Dt: {[]atom.Atom{atom.Dt, atom.Dd}, []atom.Atom{atom.Dl}},
	atom.Dd: {[]atom.Atom{atom.Dt, atom.Dd}, []atom.Atom{atom.Dl}},
	atom.Td: {[]atom.Atom{atom.Td, atom.Th}, []atom.Atom{atom.Table}},
	atom.Th: {[]atom.Atom{atom.Td, atom.Th}, []atom.Atom{atom.Table}},
	atom.Tr: {[]atom.Atom{atom.Tr}, []atom.Atom{atom.Table}},
}

// imply ends the elements whose end tags may be left out before a tag.
func (r *renderer) imply(tag atom.Atom) {
	rule := implied[tag]
	if tag == atom.Body {
		rule.ends = []atom.Atom{atom.Head}
	} else if kinds[tag].lines > 0 && len(rule.ends) == 0 {
		if n := len(r.open); n > 0 && r.open[n-1].tag == atom.P {
			r.closeTo(n - 1)
		}
		return
	}
	for i := len(r.open) - 1; i >= 0 && !slices.Contains(rule.within, r.open[i].tag); i-- {
		if slices.Contains(rule.ends, r.open[i].tag) {
			r.closeTo(i)
			return
		}
	}
}

func (r *renderer) within(tag atom.Atom) bool {
	return slices.ContainsFunc(r.open, func(e element) bool { return e.tag == tag })
}
