package mailroom

import (
	"time"

	"patchbay/core/message"
	"patchbay/ports"
)

// The flags of messages' records.
const (
	flagUnknown = "unknown" // it may have gone out, and is not sent again
	flagAgain   = "again"   // an attempt has failed, and it waits for the next
)

// flagOf is what about a message is counted, and since when.
func flagOf(m *message.Message) (flag string, since time.Time) {
	n := len(m.Attempts)
	switch {
	case m.Status == message.Unknown && n == 0: // a time that the store does not know of has passed
		return flagUnknown, m.CreatedAt
	case m.Status == message.Unknown:
		return flagUnknown, m.Attempts[n-1].StartedAt
	case m.Status == message.Queued && n > 0:
		return flagAgain, m.Attempts[0].StartedAt
	}
	return "", time.Time{}
}

// UnknownSets are the messages that may have gone out, and are not sent again.
func UnknownSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagUnknown}} }

// AgainSets are the messages that wait after an attempt that has failed.
func AgainSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagAgain}} }

// Queues lists where messages wait.
func (s *Service) Queues() []string { return append(s.queues.Queues(), restQueue) }
