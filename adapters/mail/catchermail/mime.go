package catchermail

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"os"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"patchbay/core/fault"
	"patchbay/core/message"
)

// write gives the message in the form of RFC 5322, as a mail server gets it:
// text before html, and no trace of bcc. Tags and metadata become headers of
// their own, which a provider would keep for itself.
func write(w io.Writer, m message.Message) error {
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := address(out, m); err != nil {
		return fault.Wrap(fault.Invalid, "catchermail.address", err)
	}
	out.Subject(m.Subject)
	out.SetMessageIDWithValue(m.MessageID)
	out.SetDateWithValue(m.CreatedAt)
	for name, value := range m.Headers {
		out.SetGenHeader(gomail.Header(name), value)
	}
	if len(m.Tags) > 0 {
		out.SetGenHeader("X-Tag", strings.Join(m.Tags, ", "))
	}
	for key, value := range m.Metadata {
		out.SetGenHeader(gomail.Header("X-Metadata-"+key), value)
	}
	if m.Text != "" {
		out.SetBodyString(gomail.TypeTextPlain, m.Text)
	}
	switch {
	case m.HTML != "" && m.Text != "":
		out.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	case m.HTML != "":
		out.SetBodyString(gomail.TypeTextHTML, m.HTML)
	}
	for _, a := range m.Attachments {
		if err := attach(out, a); err != nil {
			return fault.Wrap(fault.Invalid, "catchermail.attach", err)
		}
	}
	if _, err := out.WriteTo(w); err != nil {
		return fault.Wrap(fault.Invalid, "catchermail.write", err)
	}
	return nil
}

func address(out *gomail.Msg, m message.Message) error {
	from := mail.Address{Name: m.From.Name, Address: m.From.Email}
	if err := out.From(from.String()); err != nil {
		return err
	}
	for _, one := range []struct {
		set  func(...string) error
		list []message.Address
	}{{out.To, m.To}, {out.Cc, m.Cc}} {
		if len(one.list) > 0 {
			if err := one.set(formatted(one.list)...); err != nil {
				return err
			}
		}
	}
	if len(m.ReplyTo) > 0 {
		// The library takes one address here; the header may have several.
		out.SetGenHeader("Reply-To", strings.Join(formatted(m.ReplyTo), ", "))
	}
	return nil
}

func formatted(list []message.Address) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = (&mail.Address{Name: a.Name, Address: a.Email}).String()
	}
	return out
}

func attach(out *gomail.Msg, a message.Attachment) error {
	options := []gomail.FileOption{gomail.WithFileContentType(gomail.ContentType(a.ContentType))}
	if a.ContentID != "" {
		options = append(options, gomail.WithFileContentID("<"+a.ContentID+">"))
		return out.EmbedReader(a.Filename, bytes.NewReader(a.Content), options...)
	}
	return out.AttachReader(a.Filename, bytes.NewReader(a.Content), options...)
}

// describe reads the headers of a kept message.
func describe(path string) (message.Caught, error) {
	f, err := os.Open(path) //nolint:gosec // in the operator's own directory
	if err != nil {
		return message.Caught{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return message.Caught{}, err
	}
	m, err := mail.ReadMessage(f)
	if err != nil {
		return message.Caught{}, err
	}
	decode := func(header string) string {
		text, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(header))
		if err != nil {
			return m.Header.Get(header)
		}
		return text
	}
	return message.Caught{
		Name: info.Name(), From: decode("From"), To: decode("To"), Subject: decode("Subject"),
		Size: info.Size(), At: info.ModTime().UTC(),
	}, nil
}
