package mailroom

import (
	"strings"
	"time"

	"patchbay/core/idem"
	"patchbay/core/message"
	"patchbay/ports"
)

// Names makes the ids of messages from callers' keys, under the secret of the
// installation: the same id whichever of two stores takes the message, and one that
// nobody can work out who knows the key alone.
type Names struct{ Secret []byte }

// of is the id of the message that is accepted under a key.
func (n Names) of(key idem.Key) string { return "msg_" + key.Derive(n.Secret, "message") }

// former is the id that a version before this one gave the message of a key. Anybody can
// work it out, so that nothing gets it any more; but what has it keeps it.
func former(key idem.Key) string { return key.Digest("msg") }

// Others are the ids under which the message of a held one's key may be in the store
// beside its own: that of an earlier version, or of a later one than has held it.
func (n Names) Others(held ports.Record) (ids []string) {
	if held.Idem == "" {
		return nil
	}
	key := idem.Key{Scoped: held.Idem}
	for _, id := range []string{n.of(key), former(key)} {
		if id != held.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// Same reports whether a message that was held is the one that is stored, asked for
// twice. What is stored may have given up its key: a message that came before that
// was due is a repeat.
func Same(held, stored ports.Record) bool {
	one, err := decode(held)
	other, oerr := decode(stored)
	if err != nil || oerr != nil {
		return false
	}
	if givenUp(held, stored) {
		return one.message.CreatedAt.Before(gaveUp(&other.message))
	}
	return held.Idem == stored.Idem && one.message.Fingerprint == other.message.Fingerprint
}

// gaveUp is when a message gave up its key, not before that was due.
func gaveUp(m *message.Message) time.Time {
	due := keptUntil(m)
	if at := m.KeyAge.At; at.After(due) {
		return at
	}
	return due
}

func givenUp(held, stored ports.Record) bool { return held.Idem != "" && stored.Idem == "" }

// Anew gives a message that was held an id of its own, with its parts, where the one
// that its key stands for is that of a message which had given up the key before. It
// is always the same id. Any other message has no business with the one that is stored.
func (n Names) Anew(held, stored ports.Record, parts []*ports.Record) (fresh ports.Record, ok bool) {
	st, err := decode(held)
	if err != nil || !givenUp(held, stored) || Same(held, stored) {
		return held, false
	}
	m := &st.message
	m.ID = n.of(idem.Key{Scoped: m.Key + "|" + m.CreatedAt.String()})
	m.MessageID = m.ID + m.MessageID[strings.LastIndexByte(m.MessageID, '@'):]
	for i, part := range parts {
		part.ID = partID(m.ID, i)
	}
	if err := encode(m, &held); err != nil {
		return held, false
	}
	held.ID = m.ID
	for i := range held.Events {
		held.Events[i].Subject = m.ID
	}
	return held, true
}

// id is that of a new message.
func (s *Service) id(key idem.Key) string {
	if key.Empty() {
		return s.IDs.New("msg")
	}
	return s.Names.of(key)
}
