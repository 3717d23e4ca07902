package contract

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"reflect"
	"strings"
	"sync"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// MailHarness is a mailer for one case, and the messages that it has delivered so far, as a mail
// server would receive them.
type MailHarness struct {
	Mailer    ports.Mailer
	Delivered func(t *testing.T) [][]byte
}

// Mail runs the suite for ports.Mailer. The numbers are those of the cases that every mail adapter
// must pass.
func Mail(t *testing.T, open func(t *testing.T) MailHarness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, h MailHarness)
	}{
		{"1 a minimal text is delivered", mailMinimal},
		{"2 html alone has no empty text beside it", mailHTML},
		{"3 text comes before html", mailAlternative},
		{"4 several recipients are all named", mailRecipients},
		{"5 cc is named, bcc is not", mailCopies},
		{"6 display names are quoted and encoded", mailNames},
		{"7 a domain in any script is written as the DNS has it", mailDomain},
		{"8 several reply-to", mailReplyTo},
		{"9 headers of the caller's own", mailHeaders},
		{"10 nothing ends a header early", mailInjection},
		{"11 an attachment's bytes come back", mailAttachment},
		{"13 an attachment without a name is not lost", mailNameless},
		{"12 an inline attachment has its content id", mailInline},
		{"14 a subject in any script", mailSubject},
		{"25 tags and metadata", mailLabels},
		{"26 a feature that is not declared is refused, and nothing sent", mailUndeclared},
		{"27 a plain message has no options", mailPlain},
		{"39 an accepted message has the id it was given", mailID},
		{"41 given up before a byte is written: nothing is sent", mailCanceled},
		{"42 the message is not changed", mailUnchanged},
		{"44 twenty at once are all delivered", mailAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func message() email.Message {
	return email.Message{
		ID: "msg_1", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello Ada", MessageID: "msg_1@example.com", CreatedAt: day,
	}
}

// part is a leaf of a message.
type part struct {
	header  map[string][]string
	kind    string
	content string
}

// send delivers a message and parses the result.
func send(t *testing.T, h MailHarness, m email.Message) (*mail.Message, []part) {
	t.Helper()
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered", len(delivered))
	}
	got := parse(t, delivered[0])
	return got, parts(t, got.Header, got.Body)
}

func parse(t *testing.T, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parts(t *testing.T, header map[string][]string, body io.Reader) []part {
	t.Helper()
	get := mail.Header(header).Get
	kind, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		var all []part
		for reader := multipart.NewReader(body, params["boundary"]); ; {
			p, err := reader.NextRawPart()
			if err == io.EOF {
				return all
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parts(t, p.Header, p)...)
		}
	}
	switch strings.ToLower(get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return []part{{header, kind, string(content)}}
}

func decoded(t *testing.T, m *mail.Message, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(header))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mailboxes(t *testing.T, m *mail.Message, header string) (list []string) {
	t.Helper()
	if m.Header.Get(header) == "" {
		return nil
	}
	addresses, err := m.Header.AddressList(header)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		list = append(list, a.Name+"|"+a.Address)
	}
	return list
}

func mailMinimal(t *testing.T, h MailHarness) {
	got, body := send(t, h, message())
	if fmt.Sprint(mailboxes(t, got, "From"), mailboxes(t, got, "To")) != "[|shop@example.com] [|ada@example.com]" ||
		decoded(t, got, "Subject") != "Hello" || len(body) != 1 || body[0].kind != "text/plain" || strings.TrimSpace(body[0].content) != "Hello Ada" {
		t.Errorf("%v %+v", got.Header, body)
	}
	if date, err := got.Header.Date(); err != nil { // the provider may set its own date
		t.Errorf("date %s, %v", date, err)
	}
}

func mailAlternative(t *testing.T, h MailHarness) {
	m := message()
	m.HTML = "<p>Hello Ada – ü</p>"
	got, body := send(t, h, m)
	if !strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/alternative") || len(body) != 2 ||
		body[0].kind != "text/plain" || body[1].kind != "text/html" || strings.TrimSpace(body[1].content) != m.HTML {
		t.Errorf("%v %+v", got.Header, body)
	}
}

func mailRecipients(t *testing.T, h MailHarness) {
	m := message()
	m.To = append(m.To, email.Address{Email: "eve@example.com"}, email.Address{Email: "bob@example.com"})
	got, _ := send(t, h, m)
	if fmt.Sprint(mailboxes(t, got, "To")) != "[|ada@example.com |eve@example.com |bob@example.com]" {
		t.Errorf("%v", got.Header)
	}
}

func mailCopies(t *testing.T, h MailHarness) {
	m := message()
	m.Cc, m.Bcc = []email.Address{{Email: "cc@example.com"}}, []email.Address{{Email: "secret@example.com"}}
	got, _ := send(t, h, m)
	if fmt.Sprint(mailboxes(t, got, "Cc")) != "[|cc@example.com]" || bytes.Contains(h.Delivered(t)[0], []byte("secret@")) {
		t.Errorf("%s", h.Delivered(t)[0])
	}
}

func mailNames(t *testing.T, h MailHarness) {
	m := message()
	m.From.Name = `Smith, John "Jack"`
	m.To[0].Name = "Ädä Łovelace 李"
	got, _ := send(t, h, m)
	if fmt.Sprint(mailboxes(t, got, "From"), mailboxes(t, got, "To")) != `[Smith, John "Jack"|shop@example.com] [Ädä Łovelace 李|ada@example.com]` {
		t.Errorf("%v", got.Header)
	}
}

func mailDomain(t *testing.T, h MailHarness) {
	m := message()
	m.To[0].Email = "ada@bücher.example"
	got, _ := send(t, h, m)
	if fmt.Sprint(mailboxes(t, got, "To")) != "[|ada@xn--bcher-kva.example]" {
		t.Errorf("%v", got.Header)
	}
}

func mailReplyTo(t *testing.T, h MailHarness) {
	m := message()
	m.ReplyTo = []email.Address{{Email: "a@example.com", Name: "A"}, {Email: "b@example.com"}}
	if !h.Mailer.Features().MultiReply {
		refused(t, h, m)
		m.ReplyTo = m.ReplyTo[:1]
	}
	got, _ := send(t, h, m)
	if list := mailboxes(t, got, "Reply-To"); len(list) != len(m.ReplyTo) || list[0] != "A|a@example.com" {
		t.Errorf("%v", got.Header)
	}
}

func mailHeaders(t *testing.T, h MailHarness) {
	m := message()
	m.Headers = map[string]string{"X-Campaign": "spring – 7", "List-Unsubscribe": "<https://example.com/u?id=1>"}
	if !h.Mailer.Features().Headers {
		refused(t, h, m)
		return
	}
	got, _ := send(t, h, m)
	if decoded(t, got, "X-Campaign") != "spring – 7" || decoded(t, got, "List-Unsubscribe") != "<https://example.com/u?id=1>" {
		t.Errorf("%v", got.Header)
	}
}

// Messages are validated before they reach a mailer. Even if a check is missing, the adapter must
// not add a header.
func mailInjection(t *testing.T, h MailHarness) {
	m := message()
	m.Subject = "Hello\r\nX-Injected: yes"
	m.To[0].Name = "Ada\r\nX-Injected: yes"
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		wantKind(t, err, fault.Invalid)
		return
	}
	got, err := mail.ReadMessage(bytes.NewReader(h.Delivered(t)[0]))
	if err != nil || got.Header.Get("X-Injected") != "" {
		t.Errorf("%v, %v", got.Header, err)
	}
}

func mailSubject(t *testing.T, h MailHarness) {
	m := message()
	m.Subject = strings.Repeat("Grüße 你好 🎉 ", 20) + "end"
	got, _ := send(t, h, m)
	if decoded(t, got, "Subject") != m.Subject {
		t.Errorf("%q", decoded(t, got, "Subject"))
	}
}

func mailLabels(t *testing.T, h MailHarness) {
	m := message()
	m.Tags, m.Metadata = []string{"welcome", "trial"}, map[string]string{"order": "17"}
	if f := h.Mailer.Features(); f.Tags < len(m.Tags) || !f.Metadata {
		refused(t, h, m)
		return
	}
	send(t, h, m)
}

func mailUndeclared(t *testing.T, h MailHarness) {
	f := h.Mailer.Features()
	m := message()
	m.Tags, m.Metadata, m.Headers = []string{"t"}, map[string]string{"k": "v"}, map[string]string{"X-A": "b"}
	m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: "b@example.com"}}
	m.Attachments = []email.Attachment{{Filename: "a", ContentType: "text/plain", ContentID: "a", Content: []byte("a")}}
	if f.Carry(m) != nil {
		refused(t, h, m)
		return
	}
	send(t, h, m) // every feature the message needs is declared, so it must be sent
}

// refused checks that a message is refused with Unsupported and that nothing is delivered.
func refused(t *testing.T, h MailHarness, m email.Message) {
	t.Helper()
	_, err := h.Mailer.Send(t.Context(), m)
	wantKind(t, err, fault.Unsupported)
	if n := len(h.Delivered(t)); n != 0 {
		t.Errorf("%d messages were delivered", n)
	}
}

func mailPlain(t *testing.T, h MailHarness) {
	got, _ := send(t, h, message())
	for name := range got.Header {
		if strings.HasPrefix(name, "X-") || name == "Reply-To" || name == "Cc" || name == "Bcc" {
			t.Errorf("header %s: %v", name, got.Header[name])
		}
	}
}

func mailID(t *testing.T, h MailHarness) {
	got, _ := send(t, h, message())
	if got.Header.Get("Message-Id") != "<msg_1@example.com>" {
		t.Errorf("%v", got.Header)
	}
}

func mailCanceled(t *testing.T, h MailHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Mailer.Send(ctx, message())
	wantKind(t, err, fault.Canceled)
	if strings.Contains(err.Error(), "ada@example.com") {
		t.Errorf("the error names the recipient: %v", err)
	}
	if n := len(h.Delivered(t)); n != 0 {
		t.Errorf("%d messages were delivered", n)
	}
}

func mailUnchanged(t *testing.T, h MailHarness) {
	full := func() email.Message {
		m := message()
		m.HTML, m.Cc = "<p>Hello</p>", []email.Address{{Email: "cc@example.com", Name: "C"}}
		return m
	}
	m := full()
	send(t, h, m)
	if !reflect.DeepEqual(m, full()) {
		t.Errorf("%+v", m)
	}
}

func mailAtOnce(t *testing.T, h MailHarness) {
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			m := message()
			m.ID = fmt.Sprint("msg_", i)
			m.MessageID = m.ID + "@example.com"
			if _, err := h.Mailer.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, raw := range h.Delivered(t) {
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		seen[m.Header.Get("Message-Id")] = true
	}
	if len(seen) != 20 || len(h.Delivered(t)) != 20 {
		t.Errorf("%d messages, %d of them different", len(h.Delivered(t)), len(seen))
	}
}
