package htmltext_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"patchbay/adapters/htmltext"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, html, want string }{
		{"nothing", ``, ``},
		{"only white space", " \n\t ", ``},
		{"only tags", `<div><p></p><br></div>`, ``},
		{"plain text", `Hello, Ada`, `Hello, Ada`},
		{"white space is one blank", "Hello,\n\t  Ada", `Hello, Ada`},
		{"tags inside a line", `He<b>ll</b>o, <i>Ada</i>`, `Hello, Ada`},
		{"letters beyond ASCII", `<p>Grüße, 世界 🌍</p>`, `Grüße, 世界 🌍`},

		{"paragraphs", "<p>One</p>\n<p>Two</p>", "One\n\nTwo"},
		{"paragraphs with a style", `<p style="color:red">One</p><P class=x>Two</P>`, "One\n\nTwo"},
		{"headings", `<h1>One</h1><h2 id="x">Two</h2>Three`, "One\n\nTwo\n\nThree"},
		{"line breaks, however they are written", `1<br>2<br/>3<br />4<BR clear="all">5`, "1\n2\n3\n4\n5"},
		{"boxes", `<div>One</div><div class="x"><div>Two</div></div>Three`, "One\nTwo\nThree"},
		{"an empty line between boxes", `<div>One</div><div><br></div><div>Two</div>`, "One\n\nTwo"},
		{"a break after a box", `<div>One</div><br>Two`, "One\n\nTwo"},
		{"a box after a paragraph", `<p>One</p><div>Two</div><p>Three</p>`, "One\n\nTwo\n\nThree"},
		{"a table", `<table><tr><td>Tea</td><td>2.50</td></tr><tr><td>Cake</td><td>3.00</td></tr></table>`, "Tea 2.50\nCake 3.00"},
		{"a list has marks", "<ul>\n<li>One</li>\n<li class=\"x\">Two</li>\n</ul>\nThree", "- One\n- Two\n\nThree"},
		{"a numbered list", `<ol><li>One<li>Two</ol>`, "1. One\n2. Two"},
		{"a numbered list that begins later", `<ol start="9"><li>One</li><li>Two</li></ol>`, "9. One\n10. Two"},
		{"a list in a list", `<ul><li>One<ul><li>Two</li></ul></li><li>Three</li></ul>`, "- One\n  - Two\n- Three"},
		{"lines of an item stand below its text", `<ol><li>One<br>more</li></ol>`, "1. One\n   more"},
		{"a list of definitions", `<dl><dt>Tea</dt><dd>hot</dd><dt>Ice</dt><dd>cold</dd></dl>`, "Tea\n  hot\nIce\n  cold"},
		{"text that is kept as it is", "<pre>a  b\n\n  c &lt;</pre>d", "a  b\n\n  c <\n\nd"},
		{"a rule", `One<hr>Two`, "One\n\n----------\n\nTwo"},
		{"a quotation", `One<blockquote>Two<br>Three</blockquote>Four`, "One\n\n> Two\n> Three\n\nFour"},
		{"blocks beside each other", `<section>One</section><article>Two</article><footer>Three</footer>`, "One\nTwo\nThree"},
		{"cells of headings", `<table><tr><th>Name</th><th>Price</th></tr><tr><td>Tea</td><td>2</td></tr></table>`, "Name Price\nTea 2"},
		{"cells without end tags", `<table><tr><td>Tea<td>2<tr><td>Cake<td>3</table>`, "Tea 2\nCake 3"},
		{"paragraphs without end tags", `<p>One<p>Two<div>Three</div>`, "One\n\nTwo\n\nThree"},
		{"a soft hyphen is not shown", `Donau&shy;dampf`, `Donaudampf`},
		{"a blank that does not break", `10&nbsp;&euro;`, `10 €`},

		{"an image is its text", `<img src="x.png" alt="Two cups"> of tea`, `Two cups of tea`},
		{"an image without a text", `One<img src="pixel.gif" width="1" height="1">`, `One`},
		{"a button that is an image", `<a href="https://example.com/pay"><img alt="Pay now" src="b.png"></a>`, `Pay now <https://example.com/pay>`},
		{"a button that is a block", `<a href="https://example.com/pay"><div>Pay</div></a><p>or not</p>`, "Pay <https://example.com/pay>\n\nor not"},
		{"a link whose text is its address", `<a href="https://example.com">https://example.com</a>`, `https://example.com`},
		{"a link to an address of mail", `<a href="mailto:ada@example.com">ada@example.com</a>`, `ada@example.com`},
		{"a link to a place in the message", `<a href="#top">Top</a>`, `Top`},
		{"a link without a text", `See <a href="https://example.com"><img src="x"></a>.`, `See <https://example.com>.`},

		{"a preview text", `<div style="display:none;max-height:0">Preview</div><p>Hello</p>`, `Hello`},
		{"a preview text in capitals and with blanks", `<SPAN STYLE="Display : None !important">Preview</SPAN>Hello`, `Hello`},
		{"a preview text of no size", `<div style="font-size:0px; line-height: 1px">Preview</div>Hello`, `Hello`},
		{"a preview text that cannot be seen", `<span style="opacity:0">Preview</span><span style="visibility: hidden">x</span>Hello`, `Hello`},
		{"a small text is shown", `<span style="font-size:0.8em;opacity:0.5">Small</span>`, `Small`},
		{"what is hidden", `<p hidden>One</p>Two`, `Two`},
		{"a hidden element with others in it", `<div style="display:none"><p>One</p><div>Two</div></div>Three`, `Three`},
		{"a hidden cell without an end tag", `<table><tr><td style="display:none">One<td>Two</table>`, `Two`},
		{"a hidden link", `<a style="display:none" href="http://a">A</a>B`, `B`},

		{"a link", `<a href="https://example.com/pay">Pay</a> now`, `Pay <https://example.com/pay> now`},
		{"a link with entities", `<a href="https://example.com/?a=1&amp;b=2">Pay</a>`, `Pay <https://example.com/?a=1&b=2>`},
		{"a link in single quotes, or in none", `<a href='http://a'>A</a> <a href=http://b>B</a>`, `A <http://a> B <http://b>`},
		{"a link over several lines", "<a class=\"button\"\n   href=\"https://example.com\"\n>Pay</a> now", `Pay <https://example.com> now`},
		{"a link in capitals", `<A HREF="https://example.com">Pay</A> now`, `Pay <https://example.com> now`},
		{"two links", `<a href="http://a">A</a><a href="http://b">B</a>`, `A <http://a>B <http://b>`},
		{"an anchor, which leads nowhere", `<a name="top">Top</a> and <a>more</a>`, `Top and more`},
		{"an anchor around a link", `<a name="top"><a href="http://a">A</a></a> rest`, `A <http://a> rest`},
		{"a link that is never closed", `<a href="http://a">A`, `A <http://a>`},
		{"a link that is a script", `<a href=" JavaScript:alert(1)">A</a> <a href="http://b">B</a>`, `A B <http://b>`},
		{"an attribute that looks like a link", `<a data-href="http://a" title='href="http://b"'>A</a>`, `A`},
		{"a mark in an attribute", `<a title="a > b" href="http://a">A</a>`, `A <http://a>`},

		{"entities", `Fish &amp; chips &lt;3 &euro;5 &#8364; &#x20AC; &quot;ok&quot;`, `Fish & chips <3 €5 € € "ok"`},
		{"an entity that is none", `AT&T &bogus; R&D;`, `AT&T &bogus; R&D;`},
		{"an entity is decoded once", `&amp;lt;b&amp;gt;`, `&lt;b&gt;`},
		{"marks that are text", `1 < 2 > 0 <3 a<`, `1 < 2 > 0 <3 a<`},

		{"a script", `One<script>if (a<b && c>d) alert("</p>")</script>Two`, `OneTwo`},
		{"a script that writes scripts", `One<script>w("<script>")</script>Two`, `OneTwo`},
		{"a style", `One<style type="text/css">p > a { color: red }</style>Two`, `OneTwo`},
		{"in capitals", `One<SCRIPT>x</SCRIPT><Style>y</sTYLE>Two`, `OneTwo`},
		{"a script that never ends", `One<script>x<p>Two`, `One`},
		{"a head", `<html><head><title>T</title><meta charset="utf-8"><style>x</style></head><body>One</body></html>`, `One`},
		{"a tag that begins like one", `<header>One</header><scripture>Two</scripture>`, "One\nTwo"},
		{"a comment", `One<!-- <p>a > b</p> -->Two`, `OneTwo`},
		{"a comment for one mail program", `<!--[if mso]><table><tr><td><![endif]-->One<!--[if mso]></td></tr></table><![endif]-->`, `One`},
		{"a comment that never ends", `One<!-- Two`, `One`},
		{"a doctype", `<!doctype html><?xml version="1.0"?>One`, `One`},
		{"a tag that never ends", `One<p class="x`, `One`},
		{"a zero", "O\x00ne", `O ne`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := (htmltext.Text{}).Text(row.html); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// A message may have a megabyte, and a caller waits for it: whatever stands in
// it, the time it takes grows as its length does. Half of one is enough to tell.
func TestHugeMessagesTakeLittleTime(t *testing.T) {
	t.Parallel()
	const size = 1 << 19
	for _, part := range []string{
		">", "<", "&", ";", `"`, " ", "\n", "x", "<p>", "</p>", "<a>", "</a>", `<a href="`, `<a href="x">`, "<!--", "-->", "<!",
		"<script>", "</script>", "<style", "<script></script>", "<p title='", "&amp;", "<li>", "<br />", "<div>", "é", "\xff", "<a href=x ",
	} {
		t.Run(part, func(t *testing.T) { // one after the other, each with the processor to itself
			done := make(chan string, 1)
			go func() { done <- htmltext.Text{}.Text("Begin " + strings.Repeat(part, size/len(part))) }()
			select {
			case got := <-done:
				if !strings.HasPrefix(got, "Begin") {
					t.Errorf("%.100q", got)
				}
			case <-time.After(30 * time.Second): // quadratic, it would take minutes
				t.Error("it is still at it")
			}
		})
	}
}

// Whatever comes in, what comes out is text that a mail can carry.
func FuzzText(f *testing.F) {
	for _, seed := range []string{``, `<p>a</p>`, `<a href="x">y</a>`, `<script>`, `&amp;`, `<!--`, "\xff", `a<b>c`, `<a href='`, `1 < 2`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, html string) {
		got := htmltext.Text{}.Text(html)
		if got != strings.TrimSpace(got) || strings.Contains(got, "\n\n\n") || strings.ContainsAny(got, "\x00\r") {
			t.Errorf("%q from %q", got, html)
		}
		if utf8.ValidString(html) && !utf8.ValidString(got) {
			t.Errorf("%q is no text, from %q", got, html)
		}
	})
}
