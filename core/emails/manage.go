package emails

import (
	"context"
	"slices"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Page is one page of a list, newest first. Next is empty on the last page.
type Page struct {
	Messages []email.Message
	Next     string
}

// Get returns a message. NotFound, also for a message of another tenant.
func (s *Service) Get(ctx context.Context, tenant, id string) (email.Message, error) {
	st, err := s.messages.Get(ctx, tenant, id)
	return st.message, err
}

// List returns messages newest first. The filter selects those of a status, and those of a batch as
// its Customer.
func (s *Service) List(ctx context.Context, tenant string, f ports.Filter, cursor string, limit int) (Page, error) {
	all, next, err := s.messages.List(ctx, tenant, f, cursor, limit)
	page := Page{Messages: make([]email.Message, len(all)), Next: next}
	for i, st := range all {
		page.Messages[i] = st.message
	}
	return page, err
}

// Retry sends a message now that failed, whose outcome is unknown, or whose recipients were suppressed,
// because a person decides that it may be sent (again), or that waits: after a failed attempt, or for
// its SendAt. NotFound; Conflict with code unexpected_state, message_purged, message_expired or
// message_erased.
func (s *Service) Retry(ctx context.Context, tenant, id string) (email.Message, error) {
	return s.change(ctx, tenant, id, "retried", func(st *stored) bool {
		m, now := &st.message, s.Clock.Now()
		waits := m.Status == email.Queued && st.record.Owner == "" && st.record.Due.After(now) && !s.possiblySent(*m)
		if !m.PurgedAt.IsZero() || isExpired(m, now) || !waits && !slices.Contains(retryable, m.Status) {
			return false
		}
		m.Failures, m.Earlier = 0, len(m.Attempts)
		m.Suppress(nil) // the next attempt reads again who is
		if m.SendAt.After(now) {
			m.SendAt = now
		}
		s.retryAt(st, now)
		return true
	})
}

// retryable are the statuses in which a message may be sent again.
var retryable = []email.Status{email.Failed, email.Unknown, email.Suppressed}

// Cancel stops a waiting message. NotFound; Conflict with code unexpected_state: it is being
// sent or was sent; or with code message_erased.
func (s *Service) Cancel(ctx context.Context, tenant, id string) (email.Message, error) {
	return s.change(ctx, tenant, id, "canceled", func(st *stored) bool {
		// A claimed message may be sent at any moment.
		if st.message.Status != email.Queued || st.record.Owner != "" {
			return false
		}
		s.dequeue(st, email.Canceled)
		return true
	})
}

var errHeld = fault.New(fault.Unavailable, "message_held", "the message is safe and waits for the store; it cannot be changed before")

func (s *Service) change(ctx context.Context, tenant, id, what string, change func(*stored) bool) (email.Message, error) {
	st, err := s.messages.Get(ctx, tenant, id)
	if err != nil {
		return email.Message{}, err
	}
	if st.record.Held {
		return email.Message{}, errHeld
	}
	var before email.Status
	err = s.messages.Update(ctx, &st, func(st *stored) error {
		now := st.message.Status
		switch {
		case !st.message.ErasedAt.IsZero():
			return errErased
		case change(st):
			before = now
			return nil
		case before != "" && now != before: // the earlier save succeeded, only its response was lost
			return record.ErrUnchanged
		case !st.message.PurgedAt.IsZero():
			return fault.New(fault.Conflict, "message_purged", "the text of this message is not kept any more; it cannot be "+what)
		case isExpired(&st.message, s.Clock.Now()) && slices.Contains(retryable, now):
			return fault.New(fault.Conflict, "message_expired", "this message was not worth sending any more when it expired; it cannot be "+what)
		}
		return fault.New(fault.Conflict, "unexpected_state", "a message that is "+string(now)+" cannot be "+what)
	})
	if err != nil {
		return email.Message{}, err
	}
	s.queues.Nudge(st.record.Queue)
	return st.message, nil
}
