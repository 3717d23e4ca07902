package rfc5322_test

import (
	"bytes"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

func TestTheSameMessageHasTheSameNameAndDate(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	m := email.Message{
		From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@bücher.example"}},
		Bcc: []email.Address{{Email: "audit@example.com"}}, Subject: "Hello", Text: "Hello", MessageID: "msg_1@example.com",
		CreatedAt: day, Tags: []string{"internal"}, Metadata: map[string]string{"order": "4711"},
	}
	for range 2 {
		var raw bytes.Buffer
		if err := rfc5322.Write(&raw, m); err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"audit@example.com", "internal", "4711"} {
			if strings.Contains(raw.String(), private) {
				t.Errorf("written\n%s\nwant it without %q", raw.String(), private)
			}
		}
		read, err := mail.ReadMessage(&raw)
		if err != nil {
			t.Fatal(err)
		}
		date, err := read.Header.Date()
		if err != nil || !date.Equal(day) || read.Header.Get("Message-Id") != "<msg_1@example.com>" || read.Header.Get("To") != "<ada@xn--bcher-kva.example>" {
			t.Errorf("headers = %v, %v, want the date, the id and the recipient of the message", read.Header, err)
		}
	}
}

// An address is no text: a part of it that is not ASCII must not become an encoded word (RFC 6532).
func TestAForeignLocalPartIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	m := email.Message{
		From: email.Address{Email: "läden@example.com"}, To: []email.Address{{Email: "ädä@bücher.example", Name: "Ä"}},
		Cc: []email.Address{{Email: "çç@example.com"}}, ReplyTo: []email.Address{{Email: "rä@example.com", Name: "Rä"}, {Email: "b@example.com"}},
		Subject: "Hello", Text: "Hello", MessageID: "msg_1@example.com",
	}
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		t.Fatal(err)
	}
	read, err := mail.ReadMessage(&raw)
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"From": "<läden@example.com>", "To": "Ä <ädä@xn--bcher-kva.example>", "Cc": "<çç@example.com>",
		"Reply-To": "Rä <rä@example.com>, <b@example.com>",
	} {
		list, err := read.Header.AddressList(header)
		if err != nil {
			t.Errorf("%s: %q: error = %v, want none", header, read.Header.Get(header), err)
		}
		var got []string
		for _, a := range list {
			got = append(got, strings.TrimSpace(a.Name+" <"+a.Address+">"))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: got %q, want %q", header, text, want)
		}
	}
}

func TestAnAddressHasItsDomainInASCII(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"ada@example.com": "ada@example.com", "ada@bücher.example": "ada@xn--bcher-kva.example",
		"Ada@BÜCHER.example": "Ada@xn--bcher-kva.example", "ada@例え。テスト": "ada@xn--r8jz45g.xn--zckzah",
		`"a@ü"@bücher.example`: `"a@ü"@xn--bcher-kva.example`, `"a@b"@Example.com`: `"a@b"@Example.com`,
		"ada@a_b.example": "ada@a_b.example", "ada@ab--cd.example": "ada@ab--cd.example", "ada@[127.0.0.1]": "ada@[127.0.0.1]",
		"ada": "", "@example.com": "", "ada@-ü.example": "", "ada@\u0301ü.example": "",
	} {
		got, err := rfc5322.ASCII(email)
		if got != want || (want == "") != fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %q, %v, want %q", email, got, err, want)
		}
	}
}

func TestUnicode(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"ada@example.com": "ada@example.com", "Ada@XN--bcher-kva.example": "Ada@bücher.example", "ada@xn--r8jz45g.xn--zckzah": "ada@例え.テスト",
		"ada@bücher.example": "ada@bücher.example", `"a@xn--b"@Example.com`: `"a@xn--b"@Example.com`, "ada@a_b.example": "ada@a_b.example",
		"ada": "", "ada@xn--\u0301.example": "", "ada@xn--a.example": "",
	} {
		got, err := rfc5322.Unicode(email)
		if got != want || (want == "") != fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %q, %v, want %q", email, got, err, want)
		}
	}
}

func TestARecipientIsReadWithoutItsName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ada@example.com": "ada@example.com", "Ada <ada@example.com>": "ada@example.com", "<ada@example.com>": "ada@example.com",
		`"A, B" <"foo..bar"@example.com>`: `"foo..bar"@example.com`, "nobody": "nobody", "": "",
	} {
		if got := rfc5322.Bare(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// written returns the message as Write writes it.
func written(t *testing.T, m email.Message) string {
	t.Helper()
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		t.Fatal(err)
	}
	return raw.String()
}

func TestAQuotedLocalPartIsWrittenOnce(t *testing.T) {
	t.Parallel()
	m := email.Message{
		From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: `"foo..bar"@example.ne.jp`, Name: "Foo"}},
		Subject: "Hello", Text: "Hello", MessageID: "msg_1@example.com",
	}
	if raw, want := written(t, m), `To: "Foo" <"foo..bar"@example.ne.jp>`; !strings.Contains(raw, want) {
		t.Errorf("got\n%s\nwant %s in it", raw, want)
	}
}

func TestTheDateIsWhenTheMessageIsDue(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 24, 12, 30, 0, 0, time.UTC)
	m := email.Message{
		From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "Hello", Text: "Hello", MessageID: "msg_1@example.com", CreatedAt: day, SendAt: day.Add(time.Hour),
	}
	if raw, want := written(t, m), "Date: Tue, 24 Nov 2026 13:30:00 +0000"; !strings.Contains(raw, want) {
		t.Errorf("got\n%s\nwant %s in it", raw, want)
	}
}

func TestFilesAreDescribed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		file email.Attachment
		want []string
	}{
		{
			"a name with an umlaut, by RFC 2231",
			email.Attachment{Filename: "Lösung.pdf", ContentType: "application/pdf", Content: []byte("x")},
			[]string{"Content-Disposition: attachment; filename*=utf-8''L%C3%B6sung.pdf", "Content-Type: application/pdf; name*=utf-8''L%C3%B6sung.pdf", "Content-Transfer-Encoding: base64"},
		},
		{
			"a name with a quotation mark",
			email.Attachment{Filename: `a"b.txt`, ContentType: "text/plain; charset=utf-8", Content: []byte("x")},
			[]string{`Content-Disposition: attachment; filename="a\"b.txt"`, "Content-Type: text/plain; charset=utf-8; name=\"a\\\"b.txt\""},
		},
		{
			"a picture in the text",
			email.Attachment{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte("x")},
			[]string{"Content-Disposition: inline; filename=logo.png", "Content-Id: <logo>"},
		},
		{
			"a message as it is, by RFC 2046",
			email.Attachment{Filename: "a.eml", ContentType: "message/rfc822", Content: []byte("Subject: inner\r\n\r\nGrüße\r\n")},
			[]string{"Content-Transfer-Encoding: 8bit", "Subject: inner\r\n\r\nGrüße\r\n"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := written(t, email.Message{
				From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
				Subject: "Hello", Text: "Hello", MessageID: "msg_1@example.com", Attachments: []email.Attachment{tt.file},
			})
			unfolded := strings.ReplaceAll(raw, "\r\n ", " ")
			for _, want := range tt.want {
				if !strings.Contains(unfolded, want) {
					t.Errorf("got\n%s\nwant %q in it", unfolded, want)
				}
			}
		})
	}
}

func TestAHeaderIsSplitIntoItsFields(t *testing.T) {
	t.Parallel()
	fields, body, err := rfc5322.Split([]byte("From: a@example.com\r\nX-Long: one\r\n two\r\n\tthree\r\nobsolete : x\r\n\r\nbody\r\n\r\nmore"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(body); got != "body\r\n\r\nmore" {
		t.Errorf("body %q, want what is behind the first empty line", got)
	}
	want := []rfc5322.Field{
		{Name: "From", Raw: []byte("From: a@example.com\r\n")},
		{Name: "X-Long", Raw: []byte("X-Long: one\r\n two\r\n\tthree\r\n")},
		{Name: "obsolete", Raw: []byte("obsolete : x\r\n")},
	}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("fields %q, want %q", fields, want)
	}
}

func TestTheSenderIsThatOfTheEnvelopeWhereThereIsOne(t *testing.T) {
	t.Parallel()
	from := email.Address{Email: "shop@bücher.example"}
	for name, c := range map[string]struct {
		envelope *email.Envelope
		want     string
	}{
		"none":             {nil, "shop@xn--bcher-kva.example"},
		"one":              {&email.Envelope{Sender: "bounces@example.com"}, "bounces@example.com"},
		"without a sender": {&email.Envelope{}, ""},
	} {
		if got, err := rfc5322.Sender(email.Message{From: from, Envelope: c.envelope}); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}
