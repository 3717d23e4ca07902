package mailtest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"patchbay/core/email"
	"patchbay/tests/contract/internal/suite"
)

// signed is a message as a client hands it over, with what its signature would be over: headers in an
// order and case of their own, folded lines, several types of parts, eight bits, lines that begin with a dot.
const signed = "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1;\r\n\th=from:to:subject; bh=abc=; b=def=\r\n" +
	"message-id: <one@client.example>\r\n" +
	"Date: Sun, 1 Mar 2026 12:00:00 +0000\r\n" +
	"From: Shop <shop@example.com>\r\n" +
	"To: Ada\r\n <ada@example.com>\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  twice\r\n" +
	"X-Mailer:  two  blanks \r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/signed; boundary=\"a b\"\r\n" +
	"\r\n" +
	"preamble\r\n" +
	"--a b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.dot\r\n..dots\r\nGr\u00fc\u00dfe \r\n\r\n" +
	"--a b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n" +
	"--a b--\r\nepilogue\r\n"

func handed(raw string) email.Message {
	m := message()
	m.Text, m.Subject, m.MessageID = "", "", "one@client.example"
	m.Envelope = &email.Envelope{Sender: "bounces@example.com"}
	m.Bcc = []email.Address{{Email: "secret@example.com"}}
	m.Attachments = []email.Attachment{email.MIMEFile([]byte(raw))}
	return m
}

func handedOver(t *testing.T, h Harness) {
	m := handed(signed)
	if !h.Mailer.Features().MIME {
		wantUnsupported(t, h, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	delivered, want := h.Delivered(t), signed
	if h.Restamped && len(delivered) == 1 {
		h.wantMessageID(t, parse(t, delivered[0]), "<one@client.example>")
		delivered[0], want = unstamped(delivered[0]), string(unstamped([]byte(signed)))
	}
	if len(delivered) != 1 || string(delivered[0]) != want {
		t.Errorf("delivered:\n%q\nwant it as it was handed over:\n%q", delivered, want)
	}
}

// unstamped returns a message without the lines that a provider may replace: see Harness.Restamped.
func unstamped(raw []byte) []byte {
	var rest []byte
	for line := range bytes.Lines(raw) {
		lower := bytes.ToLower(line)
		if !bytes.HasPrefix(lower, []byte("message-id:")) && !bytes.HasPrefix(lower, []byte("date:")) {
			rest = append(rest, line...)
		}
	}
	return rest
}

func handedOverIncomplete(t *testing.T, h Harness) {
	m := handed("From: shop@example.com\r\nBcc: secret@example.com,\r\n  other@example.com\r\nSubject: Hello\r\n\r\nHello Ada\r\n")
	if !h.Mailer.Features().MIME {
		wantUnsupported(t, h, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered, want 1", len(delivered))
	}
	h.wantMessageID(t, parse(t, delivered[0]), "<one@client.example>")
	if date, err := parse(t, delivered[0]).Header.Date(); err != nil || !h.Restamped && !date.Equal(m.CreatedAt) {
		t.Errorf("date %s, error %v, want %s", date, err, m.CreatedAt)
	}
	if bytes.Contains(delivered[0], []byte("secret@")) || bytes.Contains(delivered[0], []byte("other@")) {
		t.Errorf("delivered:\n%s\nwant no hidden recipient in it", delivered[0])
	}
	if !strings.HasSuffix(string(delivered[0]), "\r\nSubject: Hello\r\n\r\nHello Ada\r\n") {
		t.Errorf("delivered:\n%q\nwant the rest as it was handed over", delivered[0])
	}
}

// A provider that takes MIME gives a message to the recipients of its envelope alone.
func hiddenRecipients(t *testing.T, h NetworkHarness) {
	m := handed("From: shop@example.com\r\nTo: somebody.else@example.com\r\nMessage-ID: <one@client.example>\r\nSubject: Hello\r\n\r\nHello\r\n")
	m.To = nil
	if !h.Mailer.Features().MIME {
		wantUnsupported(t, h.Harness, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	suite.Equal(t, "recipients at the provider", slices.Sorted(slices.Values(h.onlyKept(t).To)), []string{"secret@example.com"})
}
