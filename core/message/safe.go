package message

import "patchbay/core/fault"

// Safe returns Invalid where something that goes into a header could end it.
// Draft.Check has seen to that; an adapter whose provider writes the headers asks
// again, since the provider may not.
func (m Message) Safe() error {
	for _, line := range m.Lines() {
		if !oneLine(line) {
			return fault.New(fault.Invalid, "line_break", "a field of the message has more than one line")
		}
	}
	return nil
}

// Lines are the texts of the message that go into headers, or to the provider beside it.
func (m Message) Lines() []string {
	lines := []string{m.Subject, m.MessageID, m.From.Name, m.From.Email}
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc, m.ReplyTo} {
		for _, a := range list {
			lines = append(lines, a.Name, a.Email)
		}
	}
	for _, a := range m.Attachments {
		lines = append(lines, a.Filename, a.ContentType, a.ContentID)
	}
	for _, all := range []map[string]string{m.Headers, m.Metadata} {
		for name, value := range all {
			lines = append(lines, name, value)
		}
	}
	return append(lines, m.Tags...)
}
