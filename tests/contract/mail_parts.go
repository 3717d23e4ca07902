package contract

import (
	"mime"
	"net/mail"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

func mailHTML(t *testing.T, h MailHarness) {
	m := message()
	m.Text, m.HTML = "", "<p>Hello Ada</p>"
	if _, body := send(t, h, m); len(body) != 1 || body[0].kind != "text/html" {
		t.Errorf("%+v", body)
	}
}

// Draft.Check requires a file name. Even if that check is missing, the file must be refused or
// delivered, never dropped.
func mailNameless(t *testing.T, h MailHarness) {
	m := message()
	m.Attachments = []email.Attachment{{ContentType: "application/pdf", Content: []byte("PDF")}}
	if !h.Mailer.Features().Attachments {
		refused(t, h, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		wantKind(t, err, fault.Invalid)
		return
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered", len(delivered))
	}
	got := parse(t, delivered[0])
	for _, p := range parts(t, got.Header, got.Body) {
		if p.content == "PDF" {
			return
		}
	}
	t.Errorf("the file is not in it:\n%s", delivered[0])
}

func mailAttachment(t *testing.T, h MailHarness) {
	m := message()
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = byte(i * 31)
	}
	m.Attachments = []email.Attachment{{Filename: "Rechnung ü.pdf", ContentType: "application/pdf", Content: content}}
	if !h.Mailer.Features().Attachments {
		refused(t, h, m)
		return
	}
	_, body := send(t, h, m)
	last := body[len(body)-1]
	_, params, err := mime.ParseMediaType(mail.Header(last.header).Get("Content-Disposition"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := new(mime.WordDecoder).DecodeHeader(params["filename"])
	if err != nil || name != "Rechnung ü.pdf" || last.kind != "application/pdf" || last.content != string(content) {
		t.Errorf("%v %q, %d bytes, %v", last.header, name, len(last.content), err)
	}
}

func mailInline(t *testing.T, h MailHarness) {
	m := message()
	m.HTML = `<img src="cid:logo">`
	m.Attachments = []email.Attachment{{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte("PNG")}}
	if !h.Mailer.Features().Inline {
		refused(t, h, m)
		return
	}
	_, body := send(t, h, m)
	for _, p := range body {
		if p.kind == "image/png" && mail.Header(p.header).Get("Content-Id") == "<logo>" && p.content == "PNG" {
			return
		}
	}
	t.Errorf("%+v", body)
}
