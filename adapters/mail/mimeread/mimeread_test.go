package mimeread_test

import (
	"reflect"
	"strings"
	"testing"

	"patchbay/adapters/mail/mimeread"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// lines returns a message with CR LF at the end of each line.
func lines(all ...string) []byte { return []byte(strings.Join(all, "\r\n") + "\r\n") }

// head is the beginning of every message.
var head = []string{"From: Shop <shop@example.com>", "To: Ada <ada@example.com>", "Subject: Hello", "MIME-Version: 1.0"}

func with(more ...string) []byte { return lines(append(head[:len(head):len(head)], more...)...) }

func read(t *testing.T, raw []byte) email.Parts {
	t.Helper()
	p, err := mimeread.Reader{}.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAMessageIsTakenApart(t *testing.T) {
	t.Parallel()
	picture := email.Attachment{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte("PNG")}
	file := email.Attachment{Filename: "Rechnung ä.pdf", ContentType: "application/pdf", Content: []byte("%PDF\x00")}
	for name, c := range map[string]struct {
		raw   []byte
		text  string
		html  string
		files []email.Attachment
	}{
		"a text without a type":       {with("", "Hello Ada", ".dot"), "Hello Ada\r\n.dot\r\n", "", nil},
		"a text in base64":            {with("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", "R3LDvMOfZQ=="), "Grüße", "", nil},
		"a text in quoted-printable":  {with("Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable", "", "Gr=FC=DFe"), "Grüße\r\n", "", nil},
		"HTML alone":                  {with("Content-Type: text/html", "", "<p>Hello"), "", "<p>Hello\r\n", nil},
		"both":                        {with("Content-Type: multipart/alternative; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: text/html", "", "<p>", "--b--"), "Hello", "<p>", nil},
		"HTML with a picture":         {with("Content-Type: multipart/related; boundary=b", "", "--b", "Content-Type: text/html", "", "<img>", "--b", "Content-Type: image/png; name=logo.png", "Content-ID: <logo>", "Content-Transfer-Encoding: base64", "", "UE5H", "--b--"), "", "<img>", []email.Attachment{picture}},
		"a text with a file":          {with("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: application/pdf", "Content-Disposition: attachment; filename*=utf-8''Rechnung%20%C3%A4.pdf", "Content-Transfer-Encoding: base64", "", "JVBERgA=", "--b--"), "Hello", "", []email.Attachment{file}},
		"a file with an encoded word": {with("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: application/pdf; name=\"=?utf-8?q?Rechnung_=C3=A4.pdf?=\"", "Content-Disposition: attachment", "Content-Transfer-Encoding: base64", "", "JVBERgA=", "--b--"), "Hello", "", []email.Attachment{file}},
		"all of it, as Python writes it": {
			with("Content-Type: multipart/mixed; boundary=\"=m\"", "", "--=m", "Content-Type: multipart/alternative;", " boundary=\"=a\"", "", "--=a", "Content-Type: text/plain; charset=\"utf-8\"", "", "Hello", "--=a", "MIME-Version: 1.0", "Content-Type: multipart/related; boundary=\"=r\"", "", "--=r", "Content-Type: text/html; charset=\"utf-8\"", "", "<img>", "--=r", "Content-Type: image/png", "Content-Disposition: attachment; filename=\"logo.png\"", "Content-ID: <logo>", "Content-Transfer-Encoding: base64", "", "UE5H", "--=r--", "--=a--", "--=m", "Content-Type: application/pdf", "Content-Disposition: attachment; filename*=utf-8''Rechnung%20%C3%A4.pdf", "Content-Transfer-Encoding: base64", "", "JVBERgA=", "--=m--"),
			"Hello", "<img>",
			[]email.Attachment{picture, file},
		},
	} {
		p := read(t, c.raw)
		if p.Loss != "" || p.Text != c.text || p.HTML != c.html || !reflect.DeepEqual(p.Attachments, c.files) {
			t.Errorf("%s: loss %q, text %q, HTML %q, files %+v; want no loss, %q, %q, %+v", name, p.Loss, p.Text, p.HTML, p.Attachments, c.text, c.html, c.files)
		}
	}
}

func TestTheHeadersOfAMessageAreTakenApart(t *testing.T) {
	t.Parallel()
	p := read(t, lines(
		"Received: from a by b", "Return-Path: <x@example.com>", "From: =?utf-8?q?J=C3=BCrgen?= <shop@example.com>", "to: Ada <ada@example.com>,", " bob@example.com",
		"Cc: cc@example.com", "Reply-To: a@example.com, B <b@example.com>", "Subject: =?iso-8859-1?q?Gr=FC=DFe?=", "Message-ID: <one@client>", "Date: Sun, 1 Mar 2026 12:00:00 +0000",
		"X-Idempotency-Key: order-1", "X-Campaign: spring", "List-Unsubscribe: <https://example.com/u>", "", "Hello"))
	want := email.Parts{
		From: []email.Address{{Email: "shop@example.com", Name: "Jürgen"}}, To: []email.Address{{Email: "ada@example.com", Name: "Ada"}, {Email: "bob@example.com"}},
		Cc: []email.Address{{Email: "cc@example.com"}}, ReplyTo: []email.Address{{Email: "a@example.com"}, {Email: "b@example.com", Name: "B"}},
		Subject: "Grüße", Text: "Hello\r\n", MessageID: "one@client", IdempotencyKey: "order-1",
		Headers: map[string]string{"X-Idempotency-Key": "order-1", "X-Campaign": "spring", "List-Unsubscribe": "<https://example.com/u>"}, Digest: p.Digest,
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

// Each of these would say less, or say it to others, once it is composed anew.
func TestWhatTheFieldsCannotSayIsALoss(t *testing.T) {
	t.Parallel()
	mixed := func(part ...string) []byte {
		all := append([]string{"Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b"}, part...)
		return with(append(all, "--b--")...)
	}
	for name, raw := range map[string][]byte{
		"a signature of the domain":          with("DKIM-Signature: v=1", "", "Hello"),
		"a signature on the way":             with("ARC-Seal: i=1", "", "Hello"),
		"S/MIME, signed":                     with("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: application/pkcs7-signature", "", "abc", "--b--"),
		"OpenPGP, encrypted":                 with("Content-Type: multipart/encrypted; boundary=b", "", "--b", "", "Hello", "--b--"),
		"S/MIME, encrypted":                  with("Content-Type: application/pkcs7-mime; name=smime.p7m", "Content-Disposition: attachment; filename=smime.p7m", "", "abc"),
		"S/MIME beside a text":               mixed("Content-Type: application/pkcs7-mime; name=smime.p7m", "", "abc"),
		"an invitation":                      with("Content-Type: multipart/alternative; boundary=b", "", "--b", "", "Hello", "--b", "Content-Type: text/calendar", "", "BEGIN", "--b--"),
		"HTML before text":                   with("Content-Type: multipart/alternative; boundary=b", "", "--b", "Content-Type: text/html", "", "<p>", "--b", "", "Hello", "--b--"),
		"a report":                           with("Content-Type: multipart/report; boundary=b", "", "--b", "", "Hello", "--b--"),
		"a message within":                   mixed("Content-Type: message/rfc822", "Content-Disposition: attachment; filename=a.eml", "", "From: a"),
		"a file without a name":              mixed("Content-Type: application/pdf", "", "abc"),
		"a second text":                      mixed("Content-Type: text/plain", "", "Footer"),
		"a picture without its place":        mixed("Content-Type: image/png; name=a.png", "Content-ID: <a>", "Content-Disposition: attachment", "", "abc"),
		"a header of a part":                 mixed("Content-Type: application/pdf; name=a.pdf", "Content-Location: https://example.com", "", "abc"),
		"a file in another charset":          mixed("Content-Type: text/csv; name=a.csv; charset=iso-8859-1", "", "abc"),
		"text that flows":                    with("Content-Type: text/plain; format=flowed", "", "Hello"),
		"a text in an unknown charset":       with("Content-Type: text/plain; charset=klingon", "", "Hello"),
		"a text in no charset":               with("", "Gr\xfc\xdfe"),
		"base64 that is none":                with("Content-Transfer-Encoding: base64", "", "%%%"),
		"an unknown encoding":                with("Content-Transfer-Encoding: x-uuencode", "", "Hello"),
		"parts without an end":               with("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello"),
		"a group of recipients":              lines("From: a@example.com", "To: undisclosed-recipients:;", "", "Hello"),
		"recipients that cannot be read":     lines("From: a@example.com", "To: <<>>", "", "Hello"),
		"a header of ours that is another's": with("Sender: boss@example.com", "", "Hello"),
		"a header twice":                     with("X-A: 1", "X-A: 2", "", "Hello"),
	} {
		if p := read(t, raw); p.Loss == "" {
			t.Errorf("%s: no loss, want one; parts %+v", name, p)
		}
	}
}

func TestWhatIsNoMailIsRefused(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string][]byte{
		"nothing":                          {},
		"no sender":                        lines("To: ada@example.com", "", "Hello"),
		"two senders' headers":             lines("From: a@example.com", "From: b@example.com", "", "Hello"),
		"two senders":                      lines("From: a@example.com, b@example.com", "", "Hello"),
		"two subjects":                     with("Subject: other", "", "Hello"),
		"a line that is no field":          with("no field", "", "Hello"),
		"a continuation at the start":      lines(" From: a@example.com", "", "Hello"),
		"a header that is not ASCII":       with("X-Name: Jürgen", "", "Hello"),
		"a bare LF in a header":            append([]byte("From: a@example.com\nX-A: b\r\n"), "\r\nHello"...),
		"a bare CR in a header":            lines("From: a@example.com\rX-A: b", "", "Hello"),
		"a zero byte":                      with("", "Hello\x00"),
		"a header that ends in the middle": []byte("From: a@example.com"),
		"a blank in a name":                with("X A: b", "", "Hello"),
	} {
		if _, err := (mimeread.Reader{}).Read(raw); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: error %v, want invalid", name, err)
		}
	}
}

func TestAHeaderThatTellsAProviderWhatToDoIsNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Mailgun-Drop-Message", "x-smtpapi", "X-SES-Configuration-Set", "Resent-To"} {
		if p := read(t, with(name+": a", "", "Hello")); p.Forbidden != strings.ToLower(name) {
			t.Errorf("%s: forbidden is %q, want it", name, p.Forbidden)
		}
	}
}

func TestTheDigestIsThatOfWhatAMessageSays(t *testing.T) {
	t.Parallel()
	parts := func(boundary, text string, more ...string) []byte {
		return with(append(more, "Content-Type: multipart/mixed; boundary=\""+boundary+"\"", "", "--"+boundary, "", text, "--"+boundary+"--")...)
	}
	const key = "X-Idempotency-Key: k"
	for name, c := range map[string]struct {
		one, other []byte
		same       bool
	}{
		"the same":                          {with("", "Hello"), with("", "Hello"), true},
		"another text":                      {with("", "Hello"), with("", "Hallo"), false},
		"another header":                    {with("X-A: 1", "", "Hello"), with("X-A: 2", "", "Hello"), false},
		"another way here":                  {with("Received: from a", "", "Hello"), with("Received: from b", "Received: from c", "", "Hello"), true},
		"other boundaries":                  {parts("aa", "Hello"), parts("bb", "Hello"), true},
		"other boundaries and another text": {parts("aa", "Hello"), parts("bb", "Hallo"), false},
		// The words of a text are not boundaries, also if they are equal to one.
		"a boundary within the text": {parts("aa", "Hello aa"), parts("bb", "Hello bb"), false},
		"another date":               {with("Date: a", "", "Hello"), with("Date: b", "", "Hello"), false},
		"another date under a key":   {with(key, "Date: a", "Message-ID: <a@b>", "", "Hello"), with(key, "Date: b", "Message-ID: <c@d>", "", "Hello"), true},
		"another text under a key":   {with(key, "Date: a", "", "Hello"), with(key, "Date: b", "", "Hallo"), false},
	} {
		if one, other := read(t, c.one).Digest, read(t, c.other).Digest; (one == other) != c.same {
			t.Errorf("%s: digests %s and %s, want equal: %t", name, one, other, c.same)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(with("", "Hello"))
	f.Add(with("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "Hello", "--b--"))
	f.Add(with("Content-Type: multipart/related; boundary=\"\"", "", "--", "", "Hello"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := mimeread.Reader{}.Read(raw)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("error %v, want invalid", err)
		}
		if again, _ := (mimeread.Reader{}).Read(raw); !reflect.DeepEqual(p, again) {
			t.Errorf("read again: %+v, want %+v", again, p)
		}
	})
}
