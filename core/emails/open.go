package emails

import (
	"time"

	"patchbay/core/email"
	"patchbay/ports"
)

// Flags of message records.
const (
	flagUnknown = "unknown" // it may have been sent, and is not sent again
	flagAgain   = "again"   // an attempt failed, and it waits for the next one
)

// flagOf returns the flag under which a message is counted, and since when.
func flagOf(m *email.Message) (flag string, since time.Time) {
	n := len(m.Attempts)
	switch {
	case m.Status == email.Unknown && n == 0: // parked because the journal was restored
		return flagUnknown, m.CreatedAt
	case m.Status == email.Unknown:
		return flagUnknown, m.Attempts[n-1].StartedAt
	case m.Status == email.Queued && n > 0:
		return flagAgain, m.Attempts[0].StartedAt
	}
	return "", time.Time{}
}

// UnknownSets selects the messages that may have been sent and are not sent again.
func UnknownSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagUnknown}} }

// AgainSets selects the messages that wait after a failed attempt.
func AgainSets() []ports.Set { return []ports.Set{{Kind: Kind, Flag: flagAgain}} }

// Queues lists the queues of messages.
func (s *Service) Queues() []string { return append(s.queues.Queues(), restQueue) }
