package rfc5322

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// Field is a field of a header.
type Field struct {
	Name string
	Raw  []byte // with its name, and all of its lines with their ends
}

// Is reports whether the field has this name, in any case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

var errHeader = fault.New(fault.Invalid, "invalid_mime", "the header of the message is not one of Internet mail: each line is a name, a colon and a value in ASCII")

// Split returns the fields of a message's header, and its body. Lines end in CR LF. It returns Invalid
// if a line of the header is neither a field nor its continuation, or is not ASCII.
func Split(raw []byte) (fields []Field, body []byte, err error) {
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		if end < 0 {
			return nil, nil, errHeader
		}
		line := raw[:end+1]
		raw = raw[end+1:]
		text, whole := bytes.CutSuffix(line, []byte("\r\n"))
		if !whole || bytes.ContainsFunc(text, notInHeader) {
			return nil, nil, errHeader
		}
		if len(text) == 0 {
			return fields, raw, nil
		}
		if text[0] == ' ' || text[0] == '\t' {
			if len(fields) == 0 {
				return nil, nil, errHeader
			}
			last := &fields[len(fields)-1]
			last.Raw = last.Raw[:len(last.Raw)+len(line)] // the lines are next to each other
			continue
		}
		name, _, named := bytes.Cut(text, []byte(":"))
		name = bytes.TrimRight(name, " \t") // the obsolete form
		if !named || len(name) == 0 || bytes.ContainsFunc(name, notInName) {
			return nil, nil, errHeader
		}
		fields = append(fields, Field{Name: string(name), Raw: line})
	}
	return fields, nil, nil
}

func notInHeader(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }

func notInName(r rune) bool { return r <= ' ' || r >= 0x7f }

// writeHandedOver writes a message that was handed over as MIME as it is, without the names of hidden
// recipients, and with a date and a Message-ID if it lacks them.
func writeHandedOver(w io.Writer, m email.Message) error {
	raw := m.MIME()
	fields, body, err := Split(raw)
	if err != nil || len(raw) == 0 {
		return unwritable("rfc5322.handed")
	}
	var head bytes.Buffer
	has := func(name string) bool {
		for _, f := range fields {
			if f.Is(name) {
				return true
			}
		}
		return false
	}
	if !has("Message-ID") {
		fmt.Fprintf(&head, "Message-ID: <%s>\r\n", m.MessageID)
	}
	if !has("Date") {
		fmt.Fprintf(&head, "Date: %s\r\n", m.Date().Format(time.RFC1123Z))
	}
	for _, f := range fields {
		if !f.Is("Bcc") {
			head.Write(f.Raw)
		}
	}
	head.WriteString("\r\n")
	if _, err := w.Write(head.Bytes()); err != nil {
		return unwritable("rfc5322.write")
	}
	if _, err := w.Write(body); err != nil {
		return unwritable("rfc5322.write")
	}
	return nil
}

// Sender returns the address to which a server returns a message, in the form of ASCII: that of the
// envelope, empty if nothing is to be returned, or that of the sender of a message without an envelope.
// It returns Invalid for an address that is not valid.
func Sender(m email.Message) (string, error) {
	switch {
	case m.Envelope == nil:
		return ASCII(m.From.Email)
	case m.Envelope.Sender == "":
		return "", nil
	}
	return ASCII(m.Envelope.Sender)
}
