package emails

import (
	"bytes"
	"encoding/json"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// maxListed is the number of bytes of text and files that a message may keep in the body of its
// record, which lists read. A larger message keeps them in the record's Content.
const maxListed = 4 << 10

// content is the part of a message that lists leave out when it is large.
type content struct {
	HTML        string             `json:"html,omitempty"`
	Text        string             `json:"text,omitempty"`
	Headers     map[string]string  `json:"headers,omitempty"`
	Attachments []email.Attachment `json:"attachments,omitempty"`
}

func (c *content) size() int {
	n := len(c.HTML) + len(c.Text)
	for name, value := range c.Headers {
		n += len(name) + len(value)
	}
	for _, a := range c.Attachments {
		n += len(a.Filename) + len(a.ContentType) + len(a.Content)
	}
	return n
}

// encode writes a message into its record.
func encode(m *email.Message, r *ports.Record) (err error) {
	rest := content{m.HTML, m.Text, m.Headers, m.Attachments}
	if rest.size() <= maxListed {
		r.Content = nil
		r.Body, err = marshal(m)
		return err
	}
	if r.Content, err = marshal(rest); err != nil {
		return err
	}
	shown := *m
	shown.HTML, shown.Text, shown.Headers, shown.Attachments = "", "", nil, nil
	r.Body, err = marshal(&shown)
	return err
}

// marshal encodes v without escaping HTML: an escaped bracket would take six bytes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, "emails.encode", err)
	}
	return b.Bytes(), nil
}

// decode reads a message from its record. Records written by earlier versions have no Content. A
// record from a list yields the message without its content, unless that is small enough to be
// in the body.
func decode(r ports.Record) (stored, error) {
	m, err := record.Decode(r, func(m email.Message) bool { return m.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	if len(r.Content) > 0 {
		var rest content
		if err := record.DecodeJSON("content of a message", r.Content, &rest); err != nil {
			return stored{}, err
		}
		m.HTML, m.Text, m.Headers, m.Attachments = rest.HTML, rest.Text, rest.Headers, rest.Attachments
	}
	return stored{message: m, record: r, told: m.Status, parts: m.Parts}, nil
}
