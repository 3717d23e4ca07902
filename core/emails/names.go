package emails

import (
	"strings"
	"time"

	"patchbay/core/email"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// Names derives the ids of messages from idempotency keys and a secret of the installation. The
// id is the same whichever of two stores accepts the message, and cannot be computed from the
// key alone.
type Names struct{ Secret []byte }

// of returns the id of the message accepted under a key.
func (n Names) of(key idempotency.Key) string { return "msg_" + key.Derive(n.Secret, "message") }

// former returns the id that an earlier version derived from a key. It can be computed without
// the secret, so new messages never get it; existing messages keep it.
func former(key idempotency.Key) string { return key.Digest("msg") }

// Others returns the other ids under which the message of a held record's key may be in the
// store: the id of an earlier version, or that of a later version than the one that held it.
func (n Names) Others(held ports.Record) (ids []string) {
	if held.Idem == "" {
		return nil
	}
	key := idempotency.Key{Scoped: held.Idem}
	for _, id := range []string{n.of(key), former(key)} {
		if id != held.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// Same reports whether a held message and a stored one come from the same request, sent twice.
// If the stored message has given up its key, the held one is a repeat if it was accepted before
// that.
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

// gaveUp returns when a message gave up its key, at the earliest when that was due.
func gaveUp(m *email.Message) time.Time { return latest(keptUntil(m), m.KeyAge.At) }

func givenUp(held, stored ports.Record) bool { return held.Idem != "" && stored.Idem == "" }

// Anew gives a held message, with its parts, a new id if the id derived from its key belongs to
// an earlier message that had already given up the key. The new id is deterministic. ok is false
// in every other case.
func (n Names) Anew(held, stored ports.Record, parts []*ports.Record) (fresh ports.Record, ok bool) {
	st, err := decode(held)
	if err != nil || !givenUp(held, stored) || Same(held, stored) {
		return held, false
	}
	m := &st.message
	m.ID = n.of(idempotency.Key{Scoped: m.Key + "|" + m.CreatedAt.String()})
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

// id returns the id for a new message.
func (s *Service) id(key idempotency.Key) string {
	if key.Empty() {
		return s.IDs.New("msg")
	}
	return s.Names.of(key)
}
