package mailtest

import (
	"mime"
	"net/mail"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/internal/suite"
)

func htmlAlone(t *testing.T, h Harness) {
	m := message()
	m.Text, m.HTML = "", "<p>Hello Ada</p>"
	_, body := send(t, h, m)
	suite.Equal(t, "the types of the parts", types(body), []string{"text/html"})
}

// Draft.Check requires a file name. Even if that check is missing, the file must be refused or
// delivered, never dropped.
func nameless(t *testing.T, h Harness) {
	m := message()
	m.Attachments = []email.Attachment{{ContentType: "application/pdf", Content: []byte("PDF")}}
	if !h.Mailer.Features().Attachments {
		wantUnsupported(t, h, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		suite.WantKind(t, err, fault.Invalid)
		return
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered, want 1", len(delivered))
	}
	got := parse(t, delivered[0])
	for _, p := range parts(t, got.Header, got.Body) {
		if p.content == "PDF" {
			return
		}
	}
	t.Errorf("delivered:\n%s\nwant a part with the content of the file", delivered[0])
}

func attachment(t *testing.T, h Harness) {
	m := message()
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = byte(i * 31)
	}
	m.Attachments = []email.Attachment{{Filename: "Rechnung ü.pdf", ContentType: "application/pdf", Content: content}}
	if !h.Mailer.Features().Attachments {
		wantUnsupported(t, h, m)
		return
	}
	_, body := send(t, h, m)
	last := body[len(body)-1]
	_, params, err := mime.ParseMediaType(mail.Header(last.header).Get("Content-Disposition"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := new(mime.WordDecoder).DecodeHeader(params["filename"])
	if err != nil {
		t.Fatal(err)
	}
	suite.Equal(t, "the file name", name, "Rechnung ü.pdf")
	suite.Equal(t, "the type", last.kind, "application/pdf")
	if last.content != string(content) {
		t.Errorf("the content has %d bytes, want the %d bytes of the file", len(last.content), len(content))
	}
}

func inline(t *testing.T, h Harness) {
	m := message()
	m.HTML = `<img src="cid:logo">`
	m.Attachments = []email.Attachment{{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte("PNG")}}
	if !h.Mailer.Features().Inline {
		wantUnsupported(t, h, m)
		return
	}
	_, body := send(t, h, m)
	for _, p := range body {
		if p.kind == "image/png" && mail.Header(p.header).Get("Content-Id") == "<logo>" && p.content == "PNG" {
			return
		}
	}
	t.Errorf("parts %+v, want one of type image/png with Content-ID <logo>", body)
}
