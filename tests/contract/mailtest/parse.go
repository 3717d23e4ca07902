package mailtest

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"patchbay/core/email"
)

// part is a leaf of a message.
type part struct {
	header  map[string][]string
	kind    string
	content string
}

// send delivers a message and parses the result.
func send(t *testing.T, h Harness, m email.Message) (*mail.Message, []part) {
	t.Helper()
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	delivered := h.Delivered(t)
	if len(delivered) != 1 {
		t.Fatalf("%d messages were delivered, want 1", len(delivered))
	}
	got := parse(t, delivered[0])
	return got, parts(t, got.Header, got.Body)
}

// parse reads a message as a mail server received it.
func parse(t *testing.T, raw []byte) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// parts returns the leaves of a message in order.
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

// types returns the media type of each part.
func types(parts []part) (list []string) {
	for _, p := range parts {
		list = append(list, p.kind)
	}
	return list
}

// decoded returns a header with its encoded words decoded.
func decoded(t *testing.T, m *mail.Message, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(header))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mailboxes returns the addresses of a header, each as "name|address".
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
