package email_test

import (
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

func TestNothingEndsAHeader(t *testing.T) {
	t.Parallel()
	const evil = "a\r\nBcc: eve@example.com"
	for name, put := range map[string]func(m *email.Message){
		"the subject": func(m *email.Message) { m.Subject = evil }, "the id": func(m *email.Message) { m.MessageID = evil },
		"the sender": func(m *email.Message) { m.From.Name = evil }, "a recipient": func(m *email.Message) { m.To[0].Name = evil },
		"an address": func(m *email.Message) { m.To[0].Email = evil }, "a copy": func(m *email.Message) { m.Cc = []email.Address{{Name: evil}} },
		"a blind copy": func(m *email.Message) { m.Bcc = []email.Address{{Name: evil}} },
		"a reply":      func(m *email.Message) { m.ReplyTo = []email.Address{{Name: evil}} },
		"a header":     func(m *email.Message) { m.Headers = map[string]string{"X-A": evil} },
		"its name":     func(m *email.Message) { m.Headers = map[string]string{evil: "v"} },
		"metadata":     func(m *email.Message) { m.Metadata = map[string]string{"k": evil} },
		"a tag":        func(m *email.Message) { m.Tags = []string{evil} },
		"a file name":  func(m *email.Message) { m.Attachments = []email.Attachment{{Filename: evil}} },
		"a type":       func(m *email.Message) { m.Attachments = []email.Attachment{{ContentType: evil}} },
		"a content id": func(m *email.Message) { m.Attachments = []email.Attachment{{ContentID: evil}} },
	} {
		m := email.Message{Subject: "Hello – ü", Text: "two\nlines", To: []email.Address{{Email: "ada@example.com"}}}
		if err := m.CheckLines(); err != nil {
			t.Fatalf("nothing in it: %v", err)
		}
		put(&m)
		if err := m.CheckLines(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBlankingWhoAMessageIsTo(t *testing.T) {
	t.Parallel()
	m := email.Message{
		Subject: "Your order", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada.l@example.com", Name: "Ada Lovelace"}},
		Bcc: []email.Address{{Email: "x@example.com", Name: "Al"}},
	}
	for text, want := range map[string]string{
		"": "",
		"450 try again, and again until it is taken":  "450 try again, and again until it is taken",
		"550 5.1.1 <ADA.L@example.com> unknown":       "550 5.1.1 <[…]> unknown",
		"550 no mailbox ada.l here":                   "550 no mailbox […] here",
		"552 the mailbox of LOVELACE, Ada is full":    "552 the mailbox of […], […] is full",
		`554 spam: "your order" from shop (x@a.test)`: `554 spam: "[…]" from […] ([…])`,
		"550 al@xn--bcher-kva.example: unknown":       "550 […]: unknown", // sent to al@bücher.example
		`550 <"a l"@example.com>; al@[192.0.2.1]`:     `550 <[…]>; […]`,
	} {
		if got := m.Redact(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := (email.Message{}).Redact("450 try again"); got != "450 try again" {
		t.Errorf("of nobody's: %q", got)
	}
}
