// Package rfc5322 writes a message in the format of Internet mail.
package rfc5322

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// Write writes the message (RFC 5322, MIME): text before html, without bcc, tags and
// metadata, which are for the provider. The same message gets the same Message-ID and Date
// each time. A message that was handed over as MIME is written as it is, but for what it must
// have (a Message-ID and a date) or must not (the field Bcc).
//
// It returns Invalid if the message cannot be written.
func Write(w io.Writer, m email.Message) error {
	if m.Envelope != nil {
		return writeHandedOver(w, m)
	}
	out := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := address(out, m); err != nil {
		return unwritable("rfc5322.address")
	}
	if len(m.To)+len(m.Cc) == 0 {
		out.SetGenHeader(gomail.Header(gomail.HeaderTo), undisclosed)
	}
	out.Subject(m.Subject)
	out.SetMessageIDWithValue(m.MessageID)
	out.SetDateWithValue(m.Date())
	for name, value := range m.Headers {
		out.SetGenHeader(gomail.Header(name), value)
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
		attach(out, a)
	}
	if _, err := out.WriteTo(w); err != nil {
		return unwritable("rfc5322.write")
	}
	return nil
}

// undisclosed is the To of a message whose recipients are all in Bcc: a group that names no members
// (RFC 5322 §3.4). Some servers refuse a message without any To.
const undisclosed = "undisclosed-recipients:;"

// unwritable omits the library's error text, because it may quote an address.
func unwritable(op string) error {
	return &fault.Error{Kind: fault.Invalid, Op: op, Code: "unwritable", Message: "the message cannot be written"}
}

// Bare returns the address in a text that may also have a name, as providers write recipients: the whole text
// if it is none. A local part that needs quotes has them.
func Bare(text string) string {
	parsed, err := mail.ParseAddress(text)
	if err != nil {
		return text
	}
	written := mail.Address{Address: parsed.Address}
	return strings.Trim(written.String(), "<>")
}

// ASCII returns an address with its domain in the form that the DNS uses (RFC 5891), so
// that mail servers need not support other scripts. A domain that is already ASCII is not
// changed, because the rules for other scripts would reject underscores and addresses in
// brackets. It returns Invalid for an address that is not valid.
func ASCII(email string) (string, error) {
	local, domain, ok := cut(email)
	if !ok {
		return "", fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com")
	}
	if !strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }) {
		return email, nil
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", fault.New(fault.Invalid, "invalid_address", "the domain of an address is not one")
	}
	return local + "@" + domain, nil
}

// Composed returns an address in the form of ASCII, with its local part composed (NFC, which RFC 6532, section
// 3.1, asks for). So the spellings of a letter with an accent are one. It returns Invalid for an address that is
// not valid.
func Composed(email string) (string, error) {
	ascii, err := ASCII(email)
	return inForm(norm.NFC, ascii), err
}

// inForm returns a text in a normal form, but for those characters that would become an ASCII character, such as
// the Kelvin sign: they look like it, and stand in the address of another person.
func inForm(form norm.Form, text string) string {
	var b strings.Builder
	from := 0
	for at, r := range text {
		if r < utf8.RuneSelf {
			continue
		}
		if alone := form.String(string(r)); len(alone) == 1 {
			b.WriteString(form.String(text[from:at]))
			b.WriteRune(r)
			from = at + utf8.RuneLen(r)
		}
	}
	if from == 0 {
		return form.String(text)
	}
	return b.String() + form.String(text[from:])
}

// Decomposed returns an address with its local part decomposed (NFD). It returns NotFound if that is no other
// spelling, and Invalid for an address that is not valid.
func Decomposed(email string) (string, error) {
	local, domain, ok := cut(email)
	if !ok {
		return "", fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com")
	}
	decomposed := inForm(norm.NFD, local)
	if decomposed == local {
		return "", fault.New(fault.NotFound, "not_composed", "the address has no other spelling")
	}
	return decomposed + "@" + domain, nil
}

// Unicode returns an address with its domain in the scripts that people read (RFC 5891). It returns Invalid
// for an address that is not valid, or whose domain has no such form.
func Unicode(email string) (string, error) {
	local, domain, ok := cut(email)
	if !ok {
		return "", fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com")
	}
	if !strings.Contains(strings.ToLower(domain), "xn--") {
		return email, nil
	}
	domain, err := idna.Lookup.ToUnicode(domain)
	if err != nil {
		return "", fault.New(fault.Invalid, "invalid_address", "the domain of an address is not one")
	}
	return local + "@" + domain, nil
}

// Recipients returns the addresses of all recipients of the message, including bcc, each
// once and in the form of ASCII. It returns Invalid for an address that is not valid.
func Recipients(m email.Message) ([]string, error) {
	var to []string
	seen := make(map[string]bool)
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		ascii, err := ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		if lower := strings.ToLower(ascii); !seen[lower] {
			seen[lower] = true
			to = append(to, ascii)
		}
	}
	return to, nil
}

// cut splits an address at its last @, because a quoted local part may contain one.
func cut(email string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(email, '@')
	if at < 1 {
		return "", "", false
	}
	return email[:at], email[at+1:], true
}

func address(out *gomail.Msg, m email.Message) error {
	from, err := Mailboxes([]email.Address{m.From})
	if err != nil {
		return err
	}
	if err := out.From(from[0]); err != nil {
		return err
	}
	replyTo := func(list ...string) error { return out.SetAddrHeader(gomail.HeaderReplyTo, list...) }
	for _, one := range []struct {
		set  func(...string) error
		list []email.Address
	}{{out.To, m.To}, {out.Cc, m.Cc}, {replyTo, m.ReplyTo}} {
		list, err := Mailboxes(one.list)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			if err := one.set(list...); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mailboxes returns addresses as headers have them: "Ada" <ada@example.com>, in ASCII. It returns
// Invalid for an address that is not valid.
func Mailboxes(list []email.Address) ([]string, error) {
	out := make([]string, len(list))
	for i, a := range list {
		ascii, err := ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		parsed, err := mail.ParseAddress(ascii) // without the quotes of the local part, which String writes
		if err != nil {                         // whose text may quote the address
			return nil, fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com")
		}
		parsed.Name = a.Name
		out[i] = parsed.String()
	}
	return out, nil
}

func attach(out *gomail.Msg, a email.Attachment) {
	options := []gomail.FileOption{func(f *gomail.File) { describe(f, a) }}
	if a.ContentID != "" {
		out.EmbedReadSeeker(a.Filename, bytes.NewReader(a.Content), options...)
		return
	}
	out.AttachReadSeeker(a.Filename, bytes.NewReader(a.Content), options...) // a plain reader would be copied
}

// describe sets the headers of a file. The library would write a name that is not ASCII as an encoded
// word in quotes, which RFC 2047 §5 forbids; RFC 2231 has a form for it.
func describe(f *gomail.File, a email.Attachment) {
	kind, params, err := mime.ParseMediaType(a.ContentType)
	if err != nil {
		kind, params = "application/octet-stream", map[string]string{}
	}
	disposition := "attachment"
	if a.ContentID != "" {
		disposition = "inline"
		f.Header.Set("Content-Id", "<"+a.ContentID+">")
	}
	params["name"] = a.Filename
	f.Header.Set("Content-Type", mime.FormatMediaType(kind, params))
	f.Header.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": a.Filename}))
	if kind == "message/rfc822" { // RFC 2046 §5.2.1: neither base64 nor quoted-printable
		f.Enc = gomail.NoEncoding
	}
}
