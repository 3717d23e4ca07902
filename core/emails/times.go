package emails

import (
	"context"
	"fmt"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/ports"
)

// unlimited is how far ahead a message may be due if texts are kept forever.
const unlimited = 366 * day

// checkTimes returns Invalid unless a message may wait until sendAt, and is worth sending then. A message
// may wait for as long as texts are kept, since that is what callers expect to find of it. It keeps its
// key, and its text, while it waits.
func (s *Service) checkTimes(sendAt, expiresAt, now time.Time) error {
	ahead := unlimited
	if s.Retention > 0 {
		ahead = s.Retention
	}
	switch {
	case sendAt.After(now.Add(ahead)):
		return fault.InvalidParam("sendAt", "too_far_ahead", fmt.Sprintf("sendAt may be at most %s ahead, for as long as the texts of emails are kept", inDays(ahead)))
	case expiresAt.IsZero():
		return nil
	case !expiresAt.After(now):
		return fault.InvalidParam("expiresAt", email.CodeExpired, "expiresAt is past")
	case !expiresAt.After(sendAt):
		return fault.InvalidParam("expiresAt", "invalid_expiry", "expiresAt must be after sendAt")
	}
	return nil
}

func inDays(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// isExpired reports whether a message is not worth sending any more.
func isExpired(m *email.Message, now time.Time) bool {
	return !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt)
}

// untilExpiry returns when a message that is to wait until due comes out of its queue: when it expires, if
// that is earlier. The clock by which messages come out of queues may be ahead of this one; so one is left
// alone for a moment at least.
func (s *Service) untilExpiry(m *email.Message, due time.Time) time.Time {
	if m.ExpiresAt.IsZero() || !due.After(m.ExpiresAt) {
		return due
	}
	if end := latest(m.ExpiresAt, s.Clock.Now().Add(schedule[0])); end.Before(due) {
		return end
	}
	return due
}

// expire ends a claimed message that is not worth sending any more, and reports whether it is one. No
// attempt is open then.
func (s *Service) expire(ctx context.Context, st *stored) bool {
	m := &st.message
	if m.Splitting || !isExpired(m, s.Clock.Now()) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.addUntried(st, email.ErrExpired)
	s.giveUp(st)
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "email has expired, and that is not saved", "email", m.ID, "tenant", m.Tenant, "error", err)
	}
	return true
}

// addUntried records why no provider was asked, as an attempt without a provider.
func (s *Service) addUntried(st *stored, why error) {
	a := email.Attempt{ID: s.IDs.New("att"), StartedAt: s.Clock.Now()}
	setOutcome(&a, outcome{err: why}, a.StartedAt)
	st.message.Attempts = append(st.message.Attempts, a)
}

// nextAttempt returns when a message is tried next, or the zero time if it does not wait for that, or for
// nothing whose time is known. What waits for room is due all the time; it waits until there is some.
func (s *Service) nextAttempt(m *email.Message, r *ports.Record) time.Time {
	waits := slices.Contains(unended, m.Status) // also one whose call is repeated
	at := r.Due
	if b := s.queues.budgets[s.queues.Provider(r.Queue)]; b != nil && waitsForRoom(r.Queue) {
		at = latest(at, s.opens(b, s.Mailers, 1, s.Clock.Now()))
	}
	if !waits || r.Queue == "" || r.Owner != "" || at.Before(s.Clock.Now()) || isExpired(m, at) {
		return time.Time{}
	}
	return at
}
