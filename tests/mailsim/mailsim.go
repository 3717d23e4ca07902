// Package mailsim is what the simulators of mail providers share: where the mail
// ends up.
package mailsim

import (
	"bytes"
	"net/mail"
	"slices"
	"sync"
)

// Letter is a message that a provider has taken.
type Letter struct {
	Raw       []byte            // as a mail server is given it
	To        []string          // everybody who gets it, whom its headers name or not
	Reference string            // the provider's id of it
	Variables map[string]string // what the provider keeps with it, and tells in its events
}

// Mailbox keeps what was delivered.
type Mailbox struct {
	mu   sync.Mutex
	mail []Letter
}

// Deliver takes a message in. The error says why it is none.
func (m *Mailbox) Deliver(l Letter) error {
	if _, err := mail.ReadMessage(bytes.NewReader(l.Raw)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail = append(m.mail, l)
	return nil
}

// Letters are all so far, the oldest first.
func (m *Mailbox) Letters() []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mail)
}

// Delivered are the messages alone.
func (m *Mailbox) Delivered() [][]byte {
	var all [][]byte
	for _, l := range m.Letters() {
		all = append(all, l.Raw)
	}
	return all
}
