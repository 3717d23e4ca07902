package mailroom

import (
	"bytes"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// maxListed is how many bytes of text and files a message may have in the body of its
// record, which lists read. What is larger is the record's content.
const maxListed = 4 << 10

// content is what a message says, as it is kept beside what lists show of it.
type content struct {
	HTML        string               `json:"html,omitempty"`
	Text        string               `json:"text,omitempty"`
	Headers     map[string]string    `json:"headers,omitempty"`
	Attachments []message.Attachment `json:"attachments,omitempty"`
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
func encode(m *message.Message, r *ports.Record) (err error) {
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

// marshal leaves markup as it is: escaped, each of its brackets takes six bytes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fault.Wrap(fault.Internal, "mailroom.encode", err)
	}
	return b.Bytes(), nil
}

// decode reads a message from its record, one of an earlier version too, which has no
// content. From a list it comes without what it says, unless that is short.
func decode(r ports.Record) (stored, error) {
	m, err := ports.Decode(r, func(m message.Message) bool { return m.ID == r.ID })
	if err != nil {
		return stored{}, err
	}
	if len(r.Content) > 0 {
		var rest content
		if err := ports.DecodeJSON("content of a message", r.Content, &rest); err != nil {
			return stored{}, err
		}
		m.HTML, m.Text, m.Headers, m.Attachments = rest.HTML, rest.Text, rest.Headers, rest.Attachments
	}
	return stored{message: m, record: r, told: m.Status, parts: m.Parts}, nil
}
