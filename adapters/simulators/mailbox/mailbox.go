// Package mailbox keeps the mail that a simulated mail provider has delivered.
package mailbox

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/mail"
	"slices"
	"sync"
	"time"

	"patchbay/adapters/simulators/notify"
)

// Message is a message that a provider has accepted.
type Message struct {
	Raw       []byte            // as a mail server receives it
	To        []string          // all recipients, whether or not the headers name them
	Reference string            // the provider's id of the message
	Variables map[string]string // what the provider stores with it and includes in its events
	Tags      []string          // as name=value where the provider's tags have names; these are in Variables too
	Tracking  string            // on or off if the request says so, of opens and clicks
	At        time.Time         // when it was delivered
	// Template is the provider's template from which the message is made, nil if there is none. Raw
	// contains what it says, unless the provider takes every template because it stores none.
	Template *Template
	// RecipientVariables is the JSON object of the variables of the only recipient of a message that
	// is one of a batch, nil for any other message.
	RecipientVariables json.RawMessage
}

// Template names a provider's stored template.
type Template struct {
	Name      string
	Version   string          // empty for the active one
	Variables json.RawMessage // a JSON object as the request gave it, nil if there is none
}

// Header returns the text of a header, "" if the message has none of this name or cannot be parsed.
func (m Message) Header(name string) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	text, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get(name))
	if err != nil {
		return parsed.Header.Get(name)
	}
	return text
}

// Mailbox keeps the delivered messages.
type Mailbox struct {
	mu      sync.Mutex
	mail    []Message
	changed chan struct{} // closed at the next message; nil if nobody waits for it
}

// Deliver stores a message. It returns an error if the message cannot be parsed.
func (m *Mailbox) Deliver(l Message) error {
	if _, err := mail.ReadMessage(bytes.NewReader(l.Raw)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l.At = time.Now()
	m.mail = append(m.mail, l)
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	return nil
}

// Reports returns a source of the events about the messages, the first one included. of returns those about
// one message.
func (m *Mailbox) Reports(of func(Message) []notify.Event) notify.Source {
	seen := 0
	return func() (further []notify.Event, changed <-chan struct{}) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for ; seen < len(m.mail); seen++ {
			further = append(further, of(m.mail[seen])...)
		}
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		return further, m.changed
	}
}

// Messages returns all messages so far, oldest first.
func (m *Mailbox) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mail)
}

// Delivered returns the raw messages.
func (m *Mailbox) Delivered() [][]byte {
	var all [][]byte
	for _, l := range m.Messages() {
		all = append(all, l.Raw)
	}
	return all
}
