// Package mailtest is the contract suite of ports.Mailer. Every mail adapter and every decorator of
// one calls Run from a test called TestContract. If it reaches its provider over a network, it calls
// RunNetwork as well, whatever the protocol. docs/contract.md lists the cases.
package mailtest

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/suite"
)

// Harness is a mailer for one case, and the messages that it has delivered so far, as a mail server
// would receive them.
type Harness struct {
	Mailer    ports.Mailer
	Delivered func(t *testing.T) [][]byte
	// Restamped means that the provider replaces the Message-ID and the Date of each message by its own.
	Restamped bool
}

// Run runs the suite. open makes a mailer that has delivered nothing.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	suite.Run(t, cases, open)
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func message() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: day,
	}
}

func minimal(t *testing.T, h Harness) {
	got, body := send(t, h, message())
	suite.Equal(t, "From", mailboxes(t, got, "From"), []string{"|shop@example.com"})
	suite.Equal(t, "To", mailboxes(t, got, "To"), []string{"|ada@example.com"})
	suite.Equal(t, "Subject", decoded(t, got, "Subject"), "Hello")
	suite.Equal(t, "the types of the parts", types(body), []string{"text/plain"})
	suite.Equal(t, "the text", strings.TrimSpace(body[0].content), "Hello Ada")
	if date, err := got.Header.Date(); err != nil { // the provider may set a date of its own
		t.Errorf("date %s, error %v, want a valid date", date, err)
	}
}

func alternative(t *testing.T, h Harness) {
	m := message()
	m.HTML = "<p>Hello Ada – ü</p>"
	got, body := send(t, h, m)
	if kind := got.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/alternative") {
		t.Errorf("type %q, want multipart/alternative", kind)
	}
	suite.Equal(t, "the types of the parts", types(body), []string{"text/plain", "text/html"})
	suite.Equal(t, "the HTML", strings.TrimSpace(body[1].content), m.HTML)
}

func recipients(t *testing.T, h Harness) {
	m := message()
	m.To = append(m.To, email.Address{Email: "eve@example.com"}, email.Address{Email: "bob@example.com"})
	got, _ := send(t, h, m)
	suite.Equal(t, "To", mailboxes(t, got, "To"), []string{"|ada@example.com", "|eve@example.com", "|bob@example.com"})
}

func copies(t *testing.T, h Harness) {
	m := message()
	m.Cc, m.Bcc = []email.Address{{Email: "cc@example.com"}}, []email.Address{{Email: "secret@example.com"}}
	got, _ := send(t, h, m)
	suite.Equal(t, "Cc", mailboxes(t, got, "Cc"), []string{"|cc@example.com"})
	if raw := h.Delivered(t)[0]; bytes.Contains(raw, []byte("secret@")) {
		t.Errorf("delivered:\n%s\nwant it without the bcc address secret@example.com", raw)
	}
}

func names(t *testing.T, h Harness) {
	m := message()
	m.From.Name = `Smith, John "Jack"`
	m.To[0].Name = "Ädä Łovelace 李"
	got, _ := send(t, h, m)
	suite.Equal(t, "From", mailboxes(t, got, "From"), []string{`Smith, John "Jack"|shop@example.com`})
	suite.Equal(t, "To", mailboxes(t, got, "To"), []string{"Ädä Łovelace 李|ada@example.com"})
}

func domain(t *testing.T, h Harness) {
	m := message()
	m.To[0].Email = "ada@bücher.example"
	got, _ := send(t, h, m)
	suite.Equal(t, "To", mailboxes(t, got, "To"), []string{"|ada@xn--bcher-kva.example"})
}

func replyTo(t *testing.T, h Harness) {
	m := message()
	m.ReplyTo = []email.Address{{Email: "a@example.com", Name: "A"}, {Email: "b@example.com"}}
	want := []string{"A|a@example.com", "|b@example.com"}
	if !h.Mailer.Features().MultiReply {
		wantUnsupported(t, h, m)
		m.ReplyTo, want = m.ReplyTo[:1], want[:1]
	}
	got, _ := send(t, h, m)
	suite.Equal(t, "Reply-To", mailboxes(t, got, "Reply-To"), want)
}

func headers(t *testing.T, h Harness) {
	m := message()
	m.Headers = map[string]string{"X-Campaign": "spring – 7", "List-Unsubscribe": "<https://example.com/u?id=1>"}
	if !h.Mailer.Features().Headers {
		wantUnsupported(t, h, m)
		return
	}
	got, _ := send(t, h, m)
	for name, want := range m.Headers {
		suite.Equal(t, name, decoded(t, got, name), want)
	}
}

func thread(t *testing.T, h Harness) {
	ids := make([]string, 10)
	for i := range ids {
		ids[i] = fmt.Sprintf("<%060d=?utf-8?q?%d?=@mail.example>", i, i)
	}
	m := message()
	m.Headers = email.Draft{InReplyTo: ids[9], References: ids}.ThreadedHeaders()
	if !h.Mailer.Features().Headers {
		wantUnsupported(t, h, m)
		return
	}
	got, _ := send(t, h, m)
	suite.Equal(t, "In-Reply-To", strings.Fields(got.Header.Get("In-Reply-To")), ids[9:])
	suite.Equal(t, "References", strings.Fields(got.Header.Get("References")), ids)
	for line := range bytes.Lines(h.Delivered(t)[0]) {
		if len(line) > 998+len("\r\n") {
			t.Errorf("line of %d bytes, want at most 998: %s", len(line), line)
		}
	}
}

// Messages are validated before they reach a mailer. Even if a check is missing, the adapter must
// not add a header.
func injection(t *testing.T, h Harness) {
	m := message()
	m.Subject = "Hello\r\nX-Injected: yes"
	m.To[0].Name = "Ada\r\nX-Injected: yes"
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		suite.WantKind(t, err, fault.Invalid)
		return
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered, want 1", len(delivered))
	}
	got := parse(t, delivered[0])
	suite.Equal(t, "X-Injected", got.Header.Get("X-Injected"), "")
}

func subject(t *testing.T, h Harness) {
	m := message()
	m.Subject = strings.Repeat("Grüße 你好 🎉 ", 20) + "end"
	got, _ := send(t, h, m)
	suite.Equal(t, "Subject", decoded(t, got, "Subject"), m.Subject)
}

func labels(t *testing.T, h Harness) {
	m := message()
	m.Tags, m.Metadata = []string{"welcome", "trial"}, map[string]string{"order": "17"}
	if f := h.Mailer.Features(); f.Tags < len(m.Tags) || !f.Metadata {
		wantUnsupported(t, h, m)
		return
	}
	send(t, h, m)
}

func undeclared(t *testing.T, h Harness) {
	f := h.Mailer.Features()
	m := message()
	m.Tags, m.Metadata, m.Headers = []string{"t"}, map[string]string{"k": "v"}, map[string]string{"X-A": "b"}
	m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: "b@example.com"}}
	m.Attachments = []email.Attachment{{Filename: "a", ContentType: "text/plain", ContentID: "a", Content: []byte("a")}}
	if f.Carry(m) != nil {
		wantUnsupported(t, h, m)
		return
	}
	send(t, h, m) // every feature the message needs is declared, so it must be sent
}

// wantUnsupported checks that a message is refused with Unsupported and that nothing is delivered.
func wantUnsupported(t *testing.T, h Harness, m email.Message) {
	t.Helper()
	_, err := h.Mailer.Send(t.Context(), m)
	suite.WantKind(t, err, fault.Unsupported)
	wantDelivered(t, h, 0)
}

func wantDelivered(t *testing.T, h Harness, want int) {
	t.Helper()
	suite.Equal(t, "delivered messages", len(h.Delivered(t)), want)
}

func plain(t *testing.T, h Harness) {
	got, _ := send(t, h, message())
	for name := range got.Header {
		if strings.HasPrefix(name, "X-") || name == "Reply-To" || name == "Cc" || name == "Bcc" {
			t.Errorf("header %s is %q, want none", name, got.Header[name])
		}
	}
}

func messageID(t *testing.T, h Harness) {
	got, _ := send(t, h, message())
	h.wantMessageID(t, got, "<msg_1@example.com>")
}

// wantMessageID checks the Message-ID with which a message arrived.
func (h Harness) wantMessageID(t *testing.T, got *mail.Message, want string) {
	t.Helper()
	arrived := got.Header.Get("Message-Id")
	switch {
	case !h.Restamped:
		suite.Equal(t, "Message-ID", arrived, want)
	case arrived == want || !strings.HasPrefix(arrived, "<") || !strings.HasSuffix(arrived, ">"):
		t.Errorf("Message-ID %q, want one of the provider's own, in place of %q", arrived, want)
	}
}

func canceled(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Mailer.Send(ctx, message())
	suite.WantKind(t, err, fault.Canceled)
	if err != nil && strings.Contains(err.Error(), "ada@example.com") {
		t.Errorf("error %v, want one without the recipient's address", err)
	}
	wantDelivered(t, h, 0)
}

func unchanged(t *testing.T, h Harness) {
	full := func() email.Message {
		m := message()
		m.HTML, m.Cc = "<p>Hello</p>", []email.Address{{Email: "cc@example.com", Name: "C"}}
		return m
	}
	m := full()
	send(t, h, m)
	suite.Equal(t, "the message after Send", m, full())
}

func atOnce(t *testing.T, h Harness) {
	const messages = 20
	var all sync.WaitGroup
	for i := range messages {
		all.Go(func() {
			m := message()
			m.ID = fmt.Sprint("msg_", i)
			m.MessageID = m.ID + "@example.com"
			if _, err := h.Mailer.Send(t.Context(), m); err != nil {
				t.Errorf("%s: error %v, want none", m.ID, err)
			}
		})
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, raw := range h.Delivered(t) {
		seen[parse(t, raw).Header.Get("Message-Id")] = true
	}
	wantDelivered(t, h, messages)
	suite.Equal(t, "different messages", len(seen), messages)
}
