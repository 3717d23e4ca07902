// Package mimeread takes a message in the format of Internet mail apart, into the fields that a
// provider's API has. It uses go-message of Simon Ser.
//
// What such an API cannot say is a loss: see Loss of email.Parts. A message that is signed or encrypted
// (DKIM, S/MIME, OpenPGP) always has one, since it is worth nothing once it is composed anew.
package mimeread

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // texts in any charset

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Reader reads messages.
type Reader struct{}

var _ ports.MIMEReader = Reader{}

// reading is a message that is being taken apart.
type reading struct {
	email.Parts
	boundaries []string // of the multipart bodies
}

// lose notes what the fields lack. The first loss is enough.
func (r *reading) lose(what string) {
	if r.Loss == "" {
		r.Loss = what
	}
}

var errZero = fault.New(fault.Invalid, "invalid_mime", "the message has a zero byte")

// Read implements ports.MIMEReader.
func (Reader) Read(raw []byte) (email.Parts, error) {
	if bytes.IndexByte(raw, 0) >= 0 {
		return email.Parts{}, errZero
	}
	fields, body, err := rfc5322.Split(raw)
	if err != nil {
		return email.Parts{}, err
	}
	r := &reading{}
	if err := r.readHeader(fields); err != nil {
		return email.Parts{}, err
	}
	if r.Forbidden == "" {
		r.readBody(raw)
	}
	r.Digest = r.digest(fields, body)
	return r.Parts, nil
}

// readBody takes the body apart. What cannot be read is a loss: the message may still go out as it is.
func (r *reading) readBody(raw []byte) {
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		r.lose("a text that cannot be decoded")
		return
	}
	r.readTop(entity)
}

// single are the fields that a message has once, and that the fields of email.Parts are made from.
var single = map[string]bool{
	"from": true, "to": true, "cc": true, "reply-to": true, "subject": true, "message-id": true, "date": true, "sender": true,
}

// ignored are the fields that say nothing of the message itself: how it came here, and its encoding,
// which is read with the body.
var ignored = map[string]bool{"received": true, "return-path": true, "bcc": true, "mime-version": true}

func (r *reading) readHeader(fields []rfc5322.Field) error {
	seen := make(map[string]bool)
	for _, f := range fields {
		name, value := strings.ToLower(f.Name), unfold(f)
		switch {
		case email.ForbiddenHeader(name):
			r.Forbidden = name
		case single[name]:
			if seen[name] {
				return fault.InvalidParam(name, "invalid_mime", "the message has a header twice that it may have once")
			}
			r.readField(name, value)
		case ignored[name], strings.HasPrefix(name, "content-"):
		case email.DerivedHeader(name), strings.HasSuffix(name, "signature"), strings.HasPrefix(name, "arc-"):
			r.lose("the header " + name)
		default:
			r.addHeader(f.Name, value, seen[name])
		}
		seen[name] = true
	}
	if len(r.From) != 1 { // of several, another one than the first might be shown
		return fault.InvalidParam("from", "from_missing", "the message needs one sender, in its header From")
	}
	return nil
}

// unfold returns the value of a field on one line (RFC 5322 §2.2.3).
func unfold(f rfc5322.Field) string {
	_, value, _ := bytes.Cut(f.Raw, []byte(":"))
	return strings.TrimSpace(strings.ReplaceAll(string(value), "\r\n", ""))
}

func (r *reading) readField(name, value string) {
	switch name {
	case "subject":
		r.Subject = r.decoded(value)
	case "message-id":
		r.MessageID = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
	case "from":
		r.From = r.addresses(value)
	case "sender":
		r.Sender = r.addresses(value)
		r.lose("the header sender")
	case "to":
		r.To = r.addresses(value)
	case "cc":
		r.Cc = r.addresses(value)
	case "reply-to":
		r.ReplyTo = r.addresses(value)
	}
}

// own are the headers by which a caller tells the gateway something.
var own = map[string]bool{"x-idempotency-key": true, "x-patchbay-category": true}

// addHeader adds one of the caller's own headers.
func (r *reading) addHeader(header, value string, again bool) {
	name := strings.ToLower(header)
	switch name {
	case "x-idempotency-key":
		r.IdempotencyKey = value
	case "x-patchbay-category":
		r.Category = email.Category(strings.ToLower(value))
	}
	if own[name] && (again || value == "") {
		r.Unclear = name
	}
	if again {
		r.lose("a header that is there twice")
		return
	}
	if r.Headers == nil {
		r.Headers = make(map[string]string)
	}
	r.Headers[header] = r.decoded(value)
}

// decoded decodes the encoded words of a value (RFC 2047).
func (r *reading) decoded(value string) string {
	h := message.Header{}
	h.Add("Subject", value)
	text, err := h.Text("Subject")
	if err != nil {
		r.lose("a header in an unknown charset")
		return value
	}
	return text
}

// addresses reads a list of addresses. A list that cannot be read, or has groups, is a loss.
func (r *reading) addresses(value string) (all []email.Address) {
	if value == "" {
		return nil
	}
	parser := mail.AddressParser{WordDecoder: words}
	list, err := parser.ParseList(value)
	if err != nil || len(list) == 0 || strings.Contains(value, ";") {
		r.lose("a list of addresses with a group, or that cannot be read")
	}
	for _, a := range list {
		all = append(all, email.Address{Email: email.Mailbox(a.Address), Name: a.Name})
	}
	return all
}
