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
type Names struct {
	Secret []byte
	// Keys conceals what is kept of keys and requests. An earlier version kept it as plain digests.
	Keys idempotency.Secret
}

// id returns the id of the message accepted under a key.
func (n Names) id(key idempotency.Key) string { return "msg_" + key.Derive(n.Secret, "message") }

// batchID returns the id of the batch accepted under a key.
func (n Names) batchID(key idempotency.Key) string { return "bat_" + key.Derive(n.Secret, "batch") }

// earlierID returns the id that an earlier version derived from a key. It can be computed without
// the secret, so new messages never get it; existing messages keep it.
func earlierID(key idempotency.Key) string { return key.Digest("msg") }

// OtherIDs returns the other ids under which the message of a held record's key may be in the
// store: the id of an earlier version, or that of a later version than the one that held it.
func (n Names) OtherIDs(held ports.Record) (ids []string) {
	if held.Idem == "" {
		return nil
	}
	key := idempotency.Key{Scoped: held.Idem}
	for _, id := range []string{n.id(key), earlierID(key)} {
		if id != held.ID {
			ids = append(ids, id)
		}
	}
	return ids
}

// SameRequest reports whether a held message and a stored one come from the same request, sent
// twice. If the key of the stored message has expired, the held one is a repeat if it was accepted
// before that.
func (n Names) SameRequest(held, stored ports.Record) bool {
	one, err := decode(held)
	other, oerr := decode(stored)
	if err != nil || oerr != nil {
		return false
	}
	if keyExpired(held, stored) {
		return one.message.CreatedAt.Before(keyExpiredAt(&other.message))
	}
	return n.sameKey(held, stored) && n.samePrint(one.message.Fingerprint, other.message.Fingerprint)
}

// sameKey and samePrint compare what may be concealed with what may be not.
func (n Names) sameKey(one, other ports.Record) bool {
	return n.Keys.Scoped(one.Idem) == n.Keys.Scoped(other.Idem)
}

func (n Names) samePrint(one, other string) bool {
	return n.Keys.Fingerprint(one) == n.Keys.Fingerprint(other)
}

// concealPrint conceals a fingerprint that an earlier version has stored.
func (n Names) concealPrint(m *email.Message) { m.Fingerprint = n.Keys.Fingerprint(m.Fingerprint) }

// concealKey conceals the key of a message that was erased, with its fingerprint: a caller may have put an
// address into the key, and the key of a message that was handed over is a digest of all that it said. The
// message is still found by its key, after a conflict on the id that is derived from the key. So the key
// of a message with another id stays until it expires.
func (n Names) concealKey(st *stored) {
	m := &st.message
	n.concealPrint(m)
	if m.Key != "" && m.ID == n.id(idempotency.Key{Scoped: m.Key}) {
		m.Key = n.Keys.Scoped(m.Key)
		st.record.Idem = m.Key
	}
}

// keyExpiredAt returns when the key of a message expired.
func keyExpiredAt(m *email.Message) time.Time { return latest(keptUntil(m), m.KeyAge.At) }

func keyExpired(held, stored ports.Record) bool { return held.Idem != "" && stored.Idem == "" }

// NewID gives a held message, with its parts, a new id if the id derived from its key belongs to
// an earlier message whose key had expired. The new id is deterministic. ok is false
// in every other case.
func (n Names) NewID(held, stored ports.Record, parts []*ports.Record) (fresh ports.Record, ok bool) {
	st, err := decode(held)
	if err != nil || !keyExpired(held, stored) || n.SameRequest(held, stored) {
		return held, false
	}
	m := &st.message
	before := m.ID
	m.ID = n.id(idempotency.Key{Scoped: m.Key + "|" + m.CreatedAt.String()})
	if domain, own := strings.CutPrefix(m.MessageID, before+"@"); own {
		m.MessageID = m.ID + "@" + domain
	}
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

// newID returns the id for a new message.
func (s *Service) newID(key idempotency.Key) string {
	if key.Empty() {
		return s.IDs.New("msg")
	}
	return s.Names.id(key)
}

// SameBatch reports whether a held batch and a stored one come from the same request, sent twice: see
// SameRequest.
func (n Names) SameBatch(held, stored ports.Record) bool {
	one, err := decodeBatch(held)
	other, oerr := decodeBatch(stored)
	if err != nil || oerr != nil {
		return false
	}
	if keyExpired(held, stored) {
		return one.CreatedAt.Before(latest(batchKeptUntil(other.Batch), other.KeyAge.At))
	}
	return n.sameKey(held, stored) && n.samePrint(one.Fingerprint, other.Fingerprint)
}

// NewBatchID is NewID for a batch, whose messages are its children.
func (n Names) NewBatchID(held, stored ports.Record, messages []*ports.Record) (fresh ports.Record, ok bool) {
	b, err := decodeBatch(held)
	if err != nil || !keyExpired(held, stored) || n.SameBatch(held, stored) {
		return held, false
	}
	b.ID = n.batchID(idempotency.Key{Scoped: b.Key + "|" + b.CreatedAt.String()})
	for i, r := range messages {
		if !rename(r, b.ID, chunkID(b.ID, i)) {
			return held, false
		}
	}
	if held.Body, err = marshal(b.Batch); err != nil {
		return held, false
	}
	held.ID = b.ID
	for i := range held.Events {
		held.Events[i].Subject = b.ID
	}
	return held, true
}

// rename gives a message of a batch another id, and that of another batch.
func rename(r *ports.Record, batch, id string) bool {
	st, err := decode(*r)
	if err != nil {
		return false
	}
	m := &st.message
	m.MessageID = id + m.MessageID[strings.LastIndexByte(m.MessageID, '@'):]
	m.ID, m.Batch = id, batch
	index(m, r)
	return encode(m, r) == nil
}
