package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"strings"
	"testing"

	"github.com/emersion/go-message"

	"patchbay/adapters/simulators/smtpsim"
	"patchbay/tests/gateway"
)

// TestMailIsRightInTheSmall shows addresses, names, files and texts that were seen to be wrong.
func TestMailIsRightInTheSmall(t *testing.T) {
	var rows []mailRow
	for _, kind := range []string{"sendgrid", "mailgun", "smtp"} {
		rows = append(rows, addresses(kind)...)
		rows = append(rows, files(kind)...)
	}
	showRows(t, append(rows, refusals()...), "")
}

// leaf is a part of a message that has no parts, decoded.
type leaf struct {
	message.Header
	raw     string // its header Content-Disposition, undecoded
	content []byte
}

// leavesOf returns the leaves of a message.
func leavesOf(t *testing.T, text io.Reader) (all []leaf) {
	t.Helper()
	whole, err := message.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	err = whole.Walk(func(_ []int, p *message.Entity, err error) error {
		if err != nil || p.MultipartReader() != nil {
			return err
		}
		content, err := io.ReadAll(p.Body)
		all = append(all, leaf{p.Header, p.Header.Get("Content-Disposition"), content})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// leaves returns the leaves of the only message that a provider has delivered.
func (r *route) leaves(t *testing.T, kind string) []leaf {
	t.Helper()
	r.only(t, kind)
	return leavesOf(t, bytes.NewReader(r.of(kind).Delivered()[0]))
}

// addresses are senders and recipients at one provider.
func addresses(kind string) []mailRow {
	return []mailRow{
		{name: "a sender at an internationalised domain has an A-label at " + kind, order: kind, shows: func(t *testing.T, r *route) {
			r.becomes(t, r.send(t, "k", object{"from": "Shop <shop@bücher." + r.domain + ">"}), "sent", kind+" accepted")
			got := r.only(t, kind)
			from, err := got.Header.AddressList("From")
			if want := "shop@xn--bcher-kva." + r.domain; err != nil || len(from) != 1 || from[0].Address != want {
				t.Errorf("From = %v, %v, want %s", from, err, want)
			}
			if id := got.Header.Get("Message-Id"); !strings.HasSuffix(id, "@xn--bcher-kva."+r.domain+">") || strings.Contains(id, "=?") {
				t.Errorf("Message-ID = %s, want the domain as an A-label", id)
			}
		}},
		{name: "a quoted local part arrives quoted at " + kind, order: kind, shows: func(t *testing.T, r *route) {
			quoted := `"foo..bar"@` + r.domain
			m := r.send(t, "k", object{"to": []string{quoted}})
			r.becomes(t, m, "sent", kind+" accepted")
			if to := r.only(t, kind).Header.Get("To"); !strings.Contains(to, quoted) {
				t.Errorf("To = %s, want %s in it", to, quoted)
			}
			if got := r.statuses(t, m)[quoted]; got != "sent" {
				t.Errorf("%s is shown as %q, want sent", quoted, got)
			}
		}},
		{name: "names in answers and headers are right at " + kind, order: kind, shows: func(t *testing.T, r *route) {
			const name = "Jürgen Groß, Köln"
			m := r.send(t, "k", object{"to": []string{fmt.Sprintf("%q <%s>", name, r.at("juergen"))}, "subject": "Grüße aus Köln", "headers": object{"X-Note": "für Jürgen"}})
			r.becomes(t, m, "sent", kind+" accepted")
			if got := fmt.Sprint(r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil).JSON["to"]); !strings.Contains(got, name) || strings.Contains(got, "=?") {
				t.Errorf("the answer has %s, want %s in UTF-8", got, name)
			}
			got := r.only(t, kind)
			if to, err := got.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Name != name {
				t.Errorf("To = %v, %v, want the name %s", to, err, name)
			}
			for header, want := range map[string]string{"Subject": "Grüße aus Köln", "X-Note": "für Jürgen"} {
				text, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get(header))
				if err != nil || text != want || strings.ContainsFunc(got.Header.Get(header), func(c rune) bool { return c > 126 }) {
					t.Errorf("%s = %q, %v, want %q by RFC 2047", header, got.Header.Get(header), err, want)
				}
			}
		}},
	}
}

// files are attachments and texts at one provider.
func files(kind string) []mailRow {
	attached := func(name, contentType, content string) object {
		return object{"attachments": []object{{"filename": name, "contentType": contentType, "content": base64.StdEncoding.EncodeToString([]byte(content))}}}
	}
	rows := []mailRow{{name: "a file's name with umlauts is as RFC 2231 says at " + kind, order: kind, shows: func(t *testing.T, r *route) {
		const name = "Prüfung und Maß.pdf"
		r.becomes(t, r.send(t, "k", attached(name, "application/pdf", "%PDF")), "sent", kind+" accepted")
		all := r.leaves(t, kind)
		last := all[len(all)-1]
		_, params, err := mime.ParseMediaType(last.raw)
		if err != nil || params["filename"] != name || !strings.Contains(last.raw, "filename*") || strings.Contains(last.raw, "=?") {
			t.Errorf("Content-Disposition = %s, %v, want %s by RFC 2231", last.raw, err, name)
		}
		if string(last.content) != "%PDF" {
			t.Errorf("content = %q, want that of the file", last.content)
		}
	}}, {name: "html is as a mail reader would show it, as text at " + kind, order: kind, shows: func(t *testing.T, r *route) {
		r.becomes(t, r.send(t, "k", object{"html": shownHTML}), "sent", kind+" accepted")
		if got := r.leaves(t, kind)[0]; strings.ReplaceAll(strings.TrimSpace(string(got.content)), "\r\n", "\n") != shownText {
			t.Errorf("text =\n%s\nwant\n%s", got.content, shownText)
		}
	}}}
	if kind == "sendgrid" { // it writes the MIME itself
		return rows
	}
	const letter = "From: a@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"
	return append(rows, mailRow{name: "an attached message is not encoded at " + kind, order: kind, shows: func(t *testing.T, r *route) {
		r.becomes(t, r.send(t, "k", attached("letter.eml", "message/rfc822", letter)), "sent", kind+" accepted")
		raw := r.of(kind).Delivered()[0]
		if !bytes.Contains(raw, []byte(letter)) {
			t.Errorf("got\n%s\nwant the attached message as it is", raw)
		}
		before, _, _ := bytes.Cut(raw, []byte(letter))
		head := before[bytes.LastIndex(before, []byte("\r\n--")):]
		if !bytes.Contains(head, []byte("Content-Transfer-Encoding: 8bit")) {
			t.Errorf("the head of the part is %q, want 8bit", head)
		}
	}})
}

const shownHTML = `<html><head><title>Shop</title><style>p{}</style></head><body>
<div style="display:none">A preheader that nobody sees</div><p hidden>hidden</p>
<h1>Hello Ada</h1><div>One</div><div>Two</div>
<a href="https://shop.example/pay"><img src="b.png" alt="Pay now"></a>
<ul><li>apples</li><li>pears</li></ul><ol><li>first</li><li>second</li></ol>
<dl><dt>Order</dt><dd>7</dd></dl><pre>a  b
 c</pre><hr><table><tr><td>Sum</td><td>12 EUR</td></tr></table></body></html>`

// refusals are what no provider of the row can carry: it is refused at once, or goes to one that can.
func refusals() []mailRow {
	refused := func(code, param string, of func(r *route) object) func(*testing.T, *route) {
		return func(t *testing.T, r *route) {
			t.Helper()
			body := object{"from": r.at("shop"), "to": []string{r.at("ada")}, "subject": "s", "text": "t"}
			for k, v := range of(r) {
				body[k] = v
			}
			a := r.Do(t, "POST", "/api/emails", body)
			if a.Status != 400 || a.Code() != code || a.Text("error", "param") != param {
				t.Errorf("got %d %s, want 400 %s of %s", a.Status, a.Body, code, param)
			}
		}
	}
	beyond := func(r *route) object { return object{"to": []string{r.at("jürgen")}} }
	empty := func(*route) object {
		return object{"attachments": []object{{"filename": "empty.txt", "contentType": "text/plain", "content": ""}}}
	}
	spelled := func(r *route) object {
		return object{"to": []string{"a@bücher." + r.domain}, "cc": []string{"A@xn--bcher-kva." + r.domain}}
	}
	return []mailRow{
		{name: "an address beyond ASCII is refused where no provider carries it", order: "sendgrid, mailgun", shows: refused("feature_unsupported", "to", beyond)},
		{name: "an address beyond ASCII goes to the provider that carries it", order: "sendgrid, smtp", shows: func(t *testing.T, r *route) {
			r.becomes(t, r.send(t, "k", beyond(r)), "sent", "smtp accepted")
			if to := r.smtp.Messages()[0].To; len(to) != 1 || to[0] != r.at("jürgen") {
				t.Errorf("recipients = %q, want %s", to, r.at("jürgen"))
			}
			if n := len(r.sendgrid.Requests()); n != 0 {
				t.Errorf("SendGrid got %d requests, want 0", n)
			}
		}},
		{
			name: "an address beyond ASCII is not sent to a server without SMTPUTF8", order: "smtp", smtp: smtpsim.Options{Without: []string{"SMTPUTF8"}},
			shows: func(t *testing.T, r *route) {
				m := r.send(t, "k", beyond(r))
				gateway.Eventually(t, 20e9, "it was tried", func() bool {
					return strings.HasPrefix(r.attempts(r.Do(t, "GET", "/api/emails/"+m.Text("id"), nil)), "smtp not_accepted")
				})
				r.wantCopies(t, "smtp 0")
			},
		},
		{name: "two spellings of a mailbox are one", order: "sendgrid", shows: refused("duplicate_recipient", "cc[0]", spelled)},
		{name: "an empty attachment is refused", order: "sendgrid", shows: refused("empty_attachment", "attachments[0].content", empty)},
	}
}

const shownText = `Hello Ada

One
Two
Pay now <https://shop.example/pay>

- apples
- pears

1. first
2. second

Order
  7

a  b
 c

----------

Sum 12 EUR`
