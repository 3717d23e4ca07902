package email

import "slices"

// Keeping says for how long what a message says is kept: its subject, text, HTML, headers, attachments
// and the data of its template.
type Keeping string

// The values. None of them makes an accepted message less durable: until it is sent, what it says is on
// disk.
const (
	Keep      Keeping = "keep"       // until it is older than the retention; also the empty Keeping
	UntilSent Keeping = "until_sent" // until it is not going to be sent any more
	Never     Keeping = "never"      // as UntilSent, and nobody can read it before either
)

func (k Keeping) known() bool { return k == "" || k == Keep || k == UntilSent || k == Never }

// Brief reports whether what the message says is not kept once it was sent.
func (k Keeping) Brief() bool { return k == UntilSent || k == Never }

// RemoveContent removes what the message says, except for its subject, and the words of providers that
// refused it, because they may quote it. Their statuses, fields and codes stay.
func (m *Message) RemoveContent() {
	m.HTML, m.Text, m.Headers, m.Attachments, m.Parts = "", "", nil, nil, 0
	m.TemplateData, m.Personalizations, m.Source = nil, nil, nil
	// Copies of a message share what they point to.
	m.Attempts = slices.Clone(m.Attempts)
	for i := range m.Attempts {
		if a := m.Attempts[i].Answer; a != nil && a.Words != "" {
			wordless := *a
			wordless.Words, m.Attempts[i].Answer = "", &wordless
		}
	}
}

// Shown returns the message as it can be read without reading what it says.
func (m Message) Shown() Message {
	if m.Keeping == Never {
		m.RemoveContent()
		m.Subject = ""
	}
	return m
}
