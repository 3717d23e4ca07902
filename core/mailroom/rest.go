package mailroom

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/message"
	"patchbay/ports"
)

// restQueue is where messages wait to lose their key, and later their text.
const restQueue = "mail_rest"

// rest puts a message that goes nowhere into the queue for what it loses next.
func (s *Service) rest(st *stored) {
	st.record.Queue, st.record.Owner, st.record.Due = "", "", s.loses(st)
	if !st.record.Due.IsZero() {
		st.record.Queue = restQueue
	}
}

// loses is when a message loses something, zero where it has nothing to lose.
func (s *Service) loses(st *stored) time.Time {
	var due time.Time
	if s.Retention > 0 && st.message.PurgedAt.IsZero() {
		due = st.message.CreatedAt.Add(s.Retention)
	}
	if key := st.message.KeyAge.Due(keptUntil(&st.message)); st.record.Idem != "" && (due.IsZero() || key.Before(due)) {
		due = key
	}
	return due
}

// keptUntil is until when a message's key is kept: for as long after it was last tried, or
// was to be sent, as a caller may still not know.
func keptUntil(m *message.Message) time.Time {
	last := m.CreatedAt
	if m.SendAt.After(last) {
		last = m.SendAt
	}
	if n := len(m.Attempts); n > 0 && m.Attempts[n-1].EndedAt.After(last) {
		last = m.Attempts[n-1].EndedAt
	}
	return last.Add(idem.Kept)
}

// age takes from a message at rest what it has had for long enough.
func (s *Service) age(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	now, m := s.ageing.Taken(c), &st.message
	if st.record.Idem != "" && m.KeyAge.Count(keptUntil(m), now) {
		st.record.Idem, m.Key, m.Fingerprint = "", "", ""
	}
	if s.Retention > 0 && m.PurgedAt.IsZero() && !now.Before(m.CreatedAt.Add(s.Retention)) {
		strip(m)
		m.PurgedAt = now
	}
	s.rest(&st)
	// Conflict: it is not at rest any more, or was told of news; it comes here again.
	if err := s.save(ctx, &st); err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.WarnContext(ctx, "email keeps what it should lose for now", "email", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}

// strip takes from a message what was to be read: its text and its files.
func strip(m *message.Message) {
	m.HTML, m.Text, m.Headers, m.Attachments, m.Parts = "", "", nil, nil, 0
}
