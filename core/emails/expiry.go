package emails

import (
	"context"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// removalQueue is the queue of messages that wait for their key, and later their text, to be
// removed.
const removalQueue = "mail_rest"

// scheduleRemoval schedules the next removal, of the key or of the text, for a message that is not
// going to be sent.
func (s *Service) scheduleRemoval(st *stored) {
	st.record.Queue, st.record.Owner, st.record.Due = "", "", s.nextRemoval(st)
	if !st.record.Due.IsZero() {
		st.record.Queue = removalQueue
	}
}

// nextRemoval returns when the next removal is due, or the zero time if nothing is left to remove.
func (s *Service) nextRemoval(st *stored) time.Time {
	var due time.Time
	if s.Retention > 0 && st.message.PurgedAt.IsZero() {
		due = keptFrom(&st.message).Add(s.Retention)
	}
	if key := st.message.KeyAge.Due(keptUntil(&st.message)); st.record.Idem != "" && (due.IsZero() || key.Before(due)) {
		due = key
	}
	return due
}

// unended are the statuses of a message that waits or is being sent.
var unended = []email.Status{email.Queued, email.Sending}

// keptFrom returns since when the text of a message that does not wait any more has been kept: since it
// was due and has ended, or, if it was not to be sent then, since it was accepted. One that was moved to
// another time, or has waited for room, may have ended long after it was due at first.
func keptFrom(m *email.Message) time.Time {
	if m.Status == email.Canceled {
		return m.CreatedAt
	}
	return latest(m.Date(), m.EndedAt)
}

// keptUntil returns until when the key of a message is kept: idempotency.Kept after it was last
// used, since the caller may not know the outcome until then.
func keptUntil(m *email.Message) time.Time { return usedAt(m).Add(idempotency.Kept) }

// usedAt returns when a message was last tried, was due to be sent or has ended.
func usedAt(m *email.Message) time.Time {
	return latest(m.CreatedAt, m.SendAt, m.LastAttempt().EndedAt, m.EndedAt)
}

// remove removes the key and the text of a message that is not going to be sent, or the key of a
// batch, once each has been kept long enough.
func (s *Service) remove(ctx context.Context, c ports.Claim) error {
	if c.Kind == BatchKind {
		return s.removeBatchKey(ctx, c)
	}
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	now, m := s.removals.ClaimedAt(c), &st.message
	if st.record.Idem != "" && m.KeyAge.Count(keptUntil(m), now) {
		st.record.Idem, m.Key, m.Fingerprint = "", "", ""
	}
	if s.Retention > 0 && m.PurgedAt.IsZero() && !now.Before(keptFrom(m).Add(s.Retention)) {
		m.RemoveContent()
		m.PurgedAt = now
		s.Names.concealPrint(m)
	}
	s.scheduleRemoval(&st)
	// Conflict: it is queued to be sent again, or changed by a webhook event; it stays or comes
	// back in this queue.
	if err := s.save(ctx, &st); err != nil && !fault.Is(err, fault.Conflict) {
		s.Log.WarnContext(ctx, "email keeps what it should lose for now", "email", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}
