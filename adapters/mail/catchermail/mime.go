package catchermail

import (
	"io"
	"maps"
	"mime"
	"net/mail"
	"os"
	"strings"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
)

// writeMessage writes the message as a mail server receives it, but with its tags, its
// tracking and its metadata in headers, because there is no provider to store them.
func writeMessage(w io.Writer, m email.Message) error {
	headers := maps.Clone(m.Headers)
	if headers == nil {
		headers = make(map[string]string)
	}
	if len(m.Tags) > 0 {
		headers["X-Tag"] = strings.Join(m.Tags, ", ")
	}
	if m.Tracking != "" {
		headers["X-Tracking"] = string(m.Tracking)
	}
	for key, value := range m.Metadata {
		headers["X-Metadata-"+key] = value
	}
	m.Headers = headers
	return rfc5322.Write(w, m)
}

// describe reads the headers of a stored message.
func describe(path string) (email.Caught, error) {
	f, err := os.Open(path) //nolint:gosec // in the operator's own directory
	if err != nil {
		return email.Caught{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return email.Caught{}, err
	}
	m, err := mail.ReadMessage(f)
	if err != nil {
		return email.Caught{}, err
	}
	decode := func(header string) string {
		text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(header))
		if err != nil {
			return m.Header.Get(header)
		}
		return text
	}
	return email.Caught{
		Name: info.Name(), From: decode("From"), To: decode("To"), Subject: decode("Subject"),
		Size: info.Size(), At: info.ModTime().UTC(),
	}, nil
}
