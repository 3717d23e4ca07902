package email_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plain is the least that can be sent.
func plain() email.Draft {
	return email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", Text: "Hello, Ada"}
}

func file(name string) email.Attachment {
	return email.Attachment{Filename: name, ContentType: "text/plain", Content: []byte("x")}
}

// list makes n addresses that differ.
func list(name string, n int) []email.Address {
	all := make([]email.Address, n)
	for i := range all {
		all[i].Email = fmt.Sprintf("%s%d@example.com", name, i)
	}
	return all
}

func texts(n int) map[string]string {
	m := make(map[string]string, n)
	for i := range n {
		m[fmt.Sprint("X-", i)] = "v"
	}
	return m
}

func header(name, value string) func(*email.Draft) {
	return func(d *email.Draft) { d.Headers = map[string]string{name: value} }
}

func metadata(name, value string) func(*email.Draft) {
	return func(d *email.Draft) { d.Metadata = map[string]string{name: value} }
}

func attached(change func(*email.Attachment)) func(*email.Draft) {
	return func(d *email.Draft) {
		a := file("a.txt")
		change(&a)
		d.Attachments = []email.Attachment{file("first.txt"), a}
	}
}

func TestCheckTakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*email.Draft)
	}{
		{"the least", func(*email.Draft) {}},
		{"html without text", func(d *email.Draft) { d.HTML, d.Text = "<p>Hello", "" }},
		{"all kinds of recipients", func(d *email.Draft) {
			d.Cc, d.Bcc, d.ReplyTo = list("cc", 2), list("bcc", 2), list("reply", 2)
			d.From = email.Address{Email: "shop@example.com", Name: "The Shop"}
		}},
		{"a reply to somebody who is a recipient too", func(d *email.Draft) { d.ReplyTo = d.To }},
		{"1000 recipients in all", func(d *email.Draft) { d.To, d.Cc, d.Bcc = list("to", 998), list("cc", 1), list("bcc", 1) }},
		{"a display name of 200 characters in more bytes", func(d *email.Draft) { d.To[0].Name = strings.Repeat("é", 200) }},
		{"a subject of 998 characters in more bytes", func(d *email.Draft) { d.Subject = strings.Repeat("é", 998) }},
		{"a subject with a tab", func(d *email.Draft) { d.Subject = "a\tb" }},
		{"a body of 1 MB", func(d *email.Draft) { d.HTML, d.Text = strings.Repeat("h", 1<<19), strings.Repeat("t", 1<<19) }},
		{"a time that is past: now", func(d *email.Draft) { d.SendAt = now.Add(-time.Hour) }},
		{"at least once", func(d *email.Draft) { d.Delivery = email.AtLeastOnce }},
		{"at most once", func(d *email.Draft) { d.Delivery = email.AtMostOnce }},
		{"30 headers", func(d *email.Draft) { d.Headers = texts(30) }},
		{"a header of 76 characters", header("X-"+strings.Repeat("a", 74), "v")},
		{"a header's value of 998 characters", header("X-A", strings.Repeat("é", 998))},
		{"a header for unsubscribing", header("List-Unsubscribe", "<https://example.com/u>")},
		{"a file of a foreign name", attached(func(a *email.Attachment) { a.Filename = "Rechnung März.pdf" })},
		{"a file's name of 255 bytes", attached(func(a *email.Attachment) { a.Filename = strings.Repeat("a", 255) })},
		{"a media type with a parameter", attached(func(a *email.Attachment) { a.ContentType = `text/plain; charset="utf-8"` })},
		{"an inline file", attached(func(a *email.Attachment) { a.ContentID = "logo@shop" })},
		{"20 MB of files", attached(func(a *email.Attachment) { a.Content = make([]byte, 20<<20-1) })},
		{"10 tags", func(d *email.Draft) { d.Tags = strings.Split("a b c d e f g h i j", " ") }},
		{"a tag of 128 bytes", func(d *email.Draft) { d.Tags = []string{strings.Repeat("a", 128)} }},
		{"20 entries of metadata", func(d *email.Draft) { d.Metadata = texts(20) }},
		{"the longest metadata", metadata(strings.Repeat("k", 40), strings.Repeat("é", 500))},
		{"an empty value of metadata", metadata("order_id", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := plain()
			tt.change(&d)
			if err := d.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	sender := func(s string) func(*email.Draft) {
		return func(d *email.Draft) { d.To = append(d.To, email.Address{Email: s}) }
	}
	tests := []struct {
		name        string
		change      func(*email.Draft)
		param, code string
	}{
		{"nobody in to", func(d *email.Draft) { d.To, d.Cc = nil, d.To }, "to", "recipients_missing"},
		{"1001 recipients in all", func(d *email.Draft) { d.To, d.Cc, d.Bcc = list("to", 998), list("cc", 1), list("bcc", 2) }, "to", "too_many_recipients"},
		{"an address that is none", sender("eve"), "to[1]", "invalid_address"},
		{"an address with its name", sender("Eve <eve@example.com>"), "to[1]", "invalid_address"},
		{"two addresses in one", sender("eve@example.com,bob@example.com"), "to[1]", "invalid_address"},
		{"an address with a line end", sender("eve@example.com\r\nBcc: bob@example.com"), "to[1]", "invalid_address"},
		{"an address with a line end of Unicode", sender("e\u0085ve@example.com"), "to[1]", "invalid_address"},
		{"an address that runs backwards", sender("eve\u202e@example.com"), "to[1]", "invalid_address"},
		{"an address of 255 bytes", sender(strings.Repeat("e", 243) + "@example.com"), "to[1]", "invalid_address"},
		{"the same address twice", sender("ada@example.com"), "to[1]", "duplicate_recipient"},
		{"the same address in another case", sender("ADA@example.com"), "to[1]", "duplicate_recipient"},
		{"the same address in cc", func(d *email.Draft) { d.Cc = d.To }, "cc[0]", "duplicate_recipient"},
		{"the same address in bcc", func(d *email.Draft) { d.Bcc = d.To }, "bcc[0]", "duplicate_recipient"},
		{"the same address twice in replyTo", func(d *email.Draft) {
			d.ReplyTo = []email.Address{{Email: "help@example.com"}, {Email: "Help@example.com", Name: "Help"}}
		}, "replyTo[1]", "duplicate_recipient"},
		{"the same tag twice", func(d *email.Draft) { d.Tags = []string{"a", "b", "a"} }, "tags[2]", "duplicate_tag"},
		{"a wrong address in cc", func(d *email.Draft) { d.Cc = []email.Address{{Email: "eve"}} }, "cc[0]", "invalid_address"},
		{"a wrong address in bcc", func(d *email.Draft) { d.Bcc = []email.Address{{Email: "eve"}} }, "bcc[0]", "invalid_address"},
		{"a wrong address in replyTo", func(d *email.Draft) { d.ReplyTo = []email.Address{{Email: "eve"}} }, "replyTo[0]", "invalid_address"},
		{"a wrong address in from", func(d *email.Draft) { d.From.Email = "eve" }, "from", "invalid_address"},
		{"a name in from without an address", func(d *email.Draft) { d.From.Name = "Shop" }, "from", "invalid_address"},
		{"a display name of 201 characters", func(d *email.Draft) { d.To[0].Name = strings.Repeat("a", 201) }, "to[0]", "invalid_name"},
		{"a display name with a line end", func(d *email.Draft) { d.To[0].Name = "Ada\r\nBcc: bob@example.com" }, "to[0]", "invalid_name"},

		{"no subject", func(d *email.Draft) { d.Subject = "" }, "subject", "invalid_subject"},
		{"a subject of 999 characters", func(d *email.Draft) { d.Subject = strings.Repeat("a", 999) }, "subject", "invalid_subject"},
		{"a subject with a line feed", func(d *email.Draft) { d.Subject = "a\nBcc: bob@example.com" }, "subject", "invalid_subject"},
		{"a subject with a carriage return", func(d *email.Draft) { d.Subject = "a\rb" }, "subject", "invalid_subject"},
		{"a subject with a zero byte", func(d *email.Draft) { d.Subject = "a\x00b" }, "subject", "invalid_subject"},
		{"a subject with a delete sign", func(d *email.Draft) { d.Subject = "a\x7fb" }, "subject", "invalid_subject"},
		{"a subject with a line end of Unicode (NEL)", func(d *email.Draft) { d.Subject = "a\u0085b" }, "subject", "invalid_subject"},
		{"a subject with a line separator", func(d *email.Draft) { d.Subject = "a\u2028b" }, "subject", "invalid_subject"},
		{"a subject with a paragraph separator", func(d *email.Draft) { d.Subject = "a\u2029b" }, "subject", "invalid_subject"},
		{"a subject that is no text", func(d *email.Draft) { d.Subject = "a\xffb" }, "subject", "invalid_subject"},
		{"no body", func(d *email.Draft) { d.Text = "" }, "html", "body_missing"},
		{"a body of 1 MB and a byte", func(d *email.Draft) { d.HTML, d.Text = strings.Repeat("h", 1<<19), strings.Repeat("t", 1<<19+1) }, "html", "body_too_large"},
		{"a third promise", func(d *email.Draft) { d.Delivery = "exactly_once" }, "delivery", "invalid_delivery"},

		{"31 headers", func(d *email.Draft) { d.Headers = texts(31) }, "headers", "too_many_headers"},
		{"a header without a name", header("", "v"), "headers", "invalid_header"},
		{"a header's name with a colon", header("X-A: b\r\nBcc", "v"), "headers.X-A: b\ufffd\ufffdBcc", "invalid_header"},
		{"a header's name with a space", header("X A", "v"), "headers.X A", "invalid_header"},
		{"a header's name of foreign letters", header("X-É", "v"), "headers.X-É", "invalid_header"},
		{"a header's name of 100,000 characters", header(strings.Repeat("a", 100000), "v"), "headers." + strings.Repeat("a", 80) + "…", "invalid_header"},
		{"a header's name of 77 characters", header(strings.Repeat("a", 77), "v"), "headers." + strings.Repeat("a", 77), "invalid_header"},
		{"a header's value with a line end", header("X-A", "v\r\nBcc: bob@example.com"), "headers.X-A", "invalid_header"},
		{"a header that marks the message at Mailgun", header("X-Mailgun-Variables", `{"patchbay_message":"msg_2"}`), "headers.X-Mailgun-Variables", "forbidden_header"},
		{"a header that has Mailgun drop the message", header("x-mailgun-drop-message", "yes"), "headers.x-mailgun-drop-message", "forbidden_header"},
		{"a header that marks the message at SendGrid", header("X-SMTPAPI", "{}"), "headers.X-SMTPAPI", "forbidden_header"},
		{"a header that names others to send to", header("Resent-To", "eve@example.com"), "headers.Resent-To", "forbidden_header"},
		{"a header's value of 999 characters", header("X-A", strings.Repeat("v", 999)), "headers.X-A", "invalid_header"},

		{"a file without a name", attached(func(a *email.Attachment) { a.Filename = "" }), "attachments[1].filename", "invalid_filename"},
		{"a file's name of 256 bytes", attached(func(a *email.Attachment) { a.Filename = strings.Repeat("a", 256) }), "attachments[1].filename", "invalid_filename"},
		{"a file's name with a line end", attached(func(a *email.Attachment) { a.Filename = "a\r\nb" }), "attachments[1].filename", "invalid_filename"},
		{"a file's name that leads elsewhere", attached(func(a *email.Attachment) { a.Filename = "../a" }), "attachments[1].filename", "invalid_filename"},
		{"a file's name that leads elsewhere on Windows", attached(func(a *email.Attachment) { a.Filename = `..\a` }), "attachments[1].filename", "invalid_filename"},
		{"a file without a media type", attached(func(a *email.Attachment) { a.ContentType = "" }), "attachments[1].contentType", "invalid_content_type"},
		{"a media type that is none", attached(func(a *email.Attachment) { a.ContentType = "text/" }), "attachments[1].contentType", "invalid_content_type"},
		{"a media type with a line end", attached(func(a *email.Attachment) { a.ContentType = "text/plain;\r\n charset=utf-8" }), "attachments[1].contentType", "invalid_content_type"},
		{"a content id of 256 bytes", attached(func(a *email.Attachment) { a.ContentID = strings.Repeat("a", 256) }), "attachments[1].contentId", "invalid_content_id"},
		{"a content id in its brackets", attached(func(a *email.Attachment) { a.ContentID = "<logo>" }), "attachments[1].contentId", "invalid_content_id"},
		{"a content id that opens a bracket", attached(func(a *email.Attachment) { a.ContentID = "<logo" }), "attachments[1].contentId", "invalid_content_id"},
		{"a content id that ends one", attached(func(a *email.Attachment) { a.ContentID = "logo>" }), "attachments[1].contentId", "invalid_content_id"},
		{"a content id with a space", attached(func(a *email.Attachment) { a.ContentID = "a logo" }), "attachments[1].contentId", "invalid_content_id"},
		{"a content id with a line end", attached(func(a *email.Attachment) { a.ContentID = "logo\r\nX:" }), "attachments[1].contentId", "invalid_content_id"},
		{"files of 20 MB and a byte together", attached(func(a *email.Attachment) { a.Content = make([]byte, 20<<20) }), "attachments", "attachments_too_large"},

		{"11 tags", func(d *email.Draft) { d.Tags = strings.Split("a b c d e f g h i j k", " ") }, "tags", "too_many_tags"},
		{"an empty tag", func(d *email.Draft) { d.Tags = []string{"a", ""} }, "tags[1]", "invalid_tag"},
		{"a tag of 129 bytes", func(d *email.Draft) { d.Tags = []string{strings.Repeat("a", 129)} }, "tags[0]", "invalid_tag"},
		{"a tag with a line end", func(d *email.Draft) { d.Tags = []string{"a\nb"} }, "tags[0]", "invalid_tag"},
		{"21 entries of metadata", func(d *email.Draft) { d.Metadata = texts(21) }, "metadata", "too_many_keys"},
		{"metadata without a name", metadata("", "v"), "metadata", "invalid_metadata"},
		{"a name of metadata that could not be a header's", metadata("order id", "v"), "metadata.order id", "invalid_metadata"},
		{"a name of metadata of 41 characters", metadata(strings.Repeat("k", 41), "v"), "metadata." + strings.Repeat("k", 41), "invalid_metadata"},
		{"metadata of 501 characters", metadata("k", strings.Repeat("v", 501)), "metadata.k", "invalid_metadata"},
		{"metadata under the name of the message's id", metadata(email.IDVariable, "msg_2"), "metadata." + email.IDVariable, "reserved_metadata"},
		{"metadata under that name in other letters", metadata("Patchbay_Message", "msg_2"), "metadata.Patchbay_Message", "reserved_metadata"},
		{"metadata with a line end", metadata("k", "a\r\nb"), "metadata.k", "invalid_metadata"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := plain()
			tt.change(&d)
			refused(t, d.Check(), tt.param, tt.code)
		})
	}
}

// What is made from other fields, or is the servers' own, would stand twice in a
// message, and the recipient's program picks either.
func TestHeadersOfOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"From", "To", "Cc", "Bcc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "MIME-Version", "Return-Path",
		"Received", "DKIM-Signature", "Authentication-Results", "Content-Type", "Content-Transfer-Encoding", "Content-Anything",
	} {
		for _, written := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			d := plain()
			header(written, "v")(&d)
			refused(t, d.Check(), "headers."+written, "forbidden_header")
		}
	}
}

func refused(t *testing.T, err error, param, code string) {
	t.Helper()
	if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Param != param || f.Code != code {
		t.Errorf("%v, want invalid (%s) at %q", err, code, param)
	}
}
