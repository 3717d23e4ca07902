// Package mailsim is what the simulators of mail providers share: where the mail
// ends up.
package mailsim

import (
	"bytes"
	"net/mail"
	"slices"
	"sync"
)

// Mailbox keeps what was delivered, as a mail server was given it.
type Mailbox struct {
	mu   sync.Mutex
	mail [][]byte
}

// Deliver takes a message in. The error says why it is none.
func (m *Mailbox) Deliver(raw []byte) error {
	if _, err := mail.ReadMessage(bytes.NewReader(raw)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail = append(m.mail, raw)
	return nil
}

// Delivered is all so far, the oldest first.
func (m *Mailbox) Delivered() [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mail)
}
