package message_test

import (
	"testing"

	"patchbay/core/fault"
	"patchbay/core/message"
)

func TestNothingEndsAHeader(t *testing.T) {
	t.Parallel()
	const evil = "a\r\nBcc: eve@example.com"
	for name, put := range map[string]func(m *message.Message){
		"the subject": func(m *message.Message) { m.Subject = evil }, "the id": func(m *message.Message) { m.MessageID = evil },
		"the sender": func(m *message.Message) { m.From.Name = evil }, "a recipient": func(m *message.Message) { m.To[0].Name = evil },
		"an address": func(m *message.Message) { m.To[0].Email = evil }, "a copy": func(m *message.Message) { m.Cc = []message.Address{{Name: evil}} },
		"a blind copy": func(m *message.Message) { m.Bcc = []message.Address{{Name: evil}} },
		"a reply":      func(m *message.Message) { m.ReplyTo = []message.Address{{Name: evil}} },
		"a header":     func(m *message.Message) { m.Headers = map[string]string{"X-A": evil} },
		"its name":     func(m *message.Message) { m.Headers = map[string]string{evil: "v"} },
		"metadata":     func(m *message.Message) { m.Metadata = map[string]string{"k": evil} },
		"a tag":        func(m *message.Message) { m.Tags = []string{evil} },
		"a file name":  func(m *message.Message) { m.Attachments = []message.Attachment{{Filename: evil}} },
		"a type":       func(m *message.Message) { m.Attachments = []message.Attachment{{ContentType: evil}} },
		"a content id": func(m *message.Message) { m.Attachments = []message.Attachment{{ContentID: evil}} },
	} {
		m := message.Message{Subject: "Hello – ü", Text: "two\nlines", To: []message.Address{{Email: "ada@example.com"}}}
		if err := m.Safe(); err != nil {
			t.Fatalf("nothing in it: %v", err)
		}
		put(&m)
		if err := m.Safe(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBlankingWhoAMessageIsTo(t *testing.T) {
	t.Parallel()
	m := message.Message{
		Subject: "Your order", From: message.Address{Email: "shop@example.com"}, To: []message.Address{{Email: "ada.l@example.com", Name: "Ada Lovelace"}},
		Bcc: []message.Address{{Email: "x@example.com", Name: "Al"}},
	}
	for text, want := range map[string]string{
		"": "",
		"450 try again, and again until it is taken":  "450 try again, and again until it is taken",
		"550 5.1.1 <ADA.L@example.com> unknown":       "550 5.1.1 <[…]> unknown",
		"550 no mailbox ada.l here":                   "550 no mailbox […] here",
		"552 the mailbox of LOVELACE, Ada is full":    "552 the mailbox of […], […] is full",
		`554 spam: "your order" from shop (x@a.test)`: `554 spam: "[…]" from […] (x@a.test)`,
	} {
		if got := m.Blank(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := (message.Message{}).Blank("450 try again"); got != "450 try again" {
		t.Errorf("of nobody's: %q", got)
	}
}
