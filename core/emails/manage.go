package emails

import (
	"context"
	"errors"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
)

// Get returns a message. NotFound, also for a message of another tenant; Unavailable.
func (s *Service) Get(ctx context.Context, tenant, id string) (email.Message, error) {
	st, err := s.messages.Get(ctx, tenant, id)
	return st.message, err
}

// Retry sends a message now that failed, whose outcome is unknown, or whose recipients were suppressed,
// because a person decides that it may be sent (again), or that waits: after a failed attempt, for its
// SendAt, or for room at a provider, which it goes on waiting for.
//
// NotFound; Conflict with code unexpected_state, message_purged, content_removed, message_expired or
// message_erased; Unavailable, also while it is held; UnknownOutcome.
func (s *Service) Retry(ctx context.Context, tenant, id string) (email.Message, error) {
	return s.retry(ctx, tenant, id, nil)
}

// retry is Retry of a message that was listed, unless that is nil, and has not been queued since.
func (s *Service) retry(ctx context.Context, tenant, id string, listed *email.Message) (email.Message, error) {
	return s.requeue(ctx, tenant, id, "retried", func(st *stored) error {
		m, now := &st.message, s.Clock.Now()
		waits := m.Status == email.Queued && st.record.Owner == "" && !s.possiblySent(*m)
		switch {
		case listed != nil && !isAsListed(m, listed), !waits && !slices.Contains(retryable, m.Status):
			return errState
		case !m.PurgedAt.IsZero() && m.Keeping.Brief():
			return fault.New(fault.Conflict, codeRemoved, "what this message said was not to be kept; it cannot be retried")
		case !m.PurgedAt.IsZero():
			return fault.New(fault.Conflict, codePurged, "the text of this message is not kept any more; it cannot be retried")
		case isExpired(m, now):
			return fault.New(fault.Conflict, "message_expired", "this message was not worth sending any more when it expired; it cannot be retried")
		}
		m.Failures, m.RetryAt, m.Earlier = 0, time.Time{}, len(m.Attempts)
		m.Suppress(nil) // the next attempt reads again who is
		m.ForgetRefused()
		if m.SendAt.After(now) {
			m.SendAt = now
		}
		s.retryNow(st)
		return nil
	})
}

// isAsListed reports whether a message has not been queued since it was listed, so that it still belongs to the
// set that somebody decided on.
func isAsListed(m, listed *email.Message) bool {
	return m.Status == listed.Status && m.Change.ID == listed.Change.ID && m.LastAttempt().ID == listed.LastAttempt().ID
}

// retryable are the statuses in which a message may be sent again.
var retryable = []email.Status{email.Failed, email.Unknown, email.Suppressed}

// Reschedule moves a message that waits, for its SendAt or for its next attempt, to another time; one that
// is past means now. If a provider was asked before, the message keeps its SendAt, by which it is dated.
//
// NotFound; Conflict with code unexpected_state: it is being sent or does not wait any more; or with code
// message_erased; Invalid: the time is too far ahead, or not before the message expires; Unavailable, also while
// it is held; UnknownOutcome.
func (s *Service) Reschedule(ctx context.Context, tenant, id string, at time.Time) (email.Message, error) {
	return s.requeue(ctx, tenant, id, "rescheduled", func(st *stored) error { return s.moveTo(st, at) })
}

// moveTo moves a message that waits to another time; one that is past means now.
func (s *Service) moveTo(st *stored, at time.Time) error {
	if err := s.mayMove(st); err != nil {
		return err
	}
	m, now := &st.message, s.Clock.Now()
	at = latest(at, now)
	if err := s.checkTimes(at, time.Time{}, now); err != nil {
		return err
	}
	if isExpired(m, at) {
		return fault.InvalidParam("sendAt", "invalid_expiry", "sendAt must be before expiresAt")
	}
	if !wasAsked(m) {
		m.SendAt = at
	}
	m.Failures, m.Earlier = 0, len(m.Attempts) // so that no provider that recovers gets it before
	s.retryAt(st, at)
	return nil
}

// mayMove returns Conflict unless a message waits, and may be moved.
func (s *Service) mayMove(st *stored) error {
	m := &st.message
	switch {
	case m.Status != email.Queued || st.record.Owner != "" || s.possiblySent(*m): // a claimed one may be sent at any moment
		return errState
	case m.Splitting:
		return errSplitting
	}
	return nil
}

// wasAsked reports whether a provider was asked to send a message.
func wasAsked(m *email.Message) bool {
	return slices.ContainsFunc(m.Attempts, func(a email.Attempt) bool { return a.Provider != "" })
}

// Cancel stops a waiting message.
//
// NotFound; Conflict with code unexpected_state: it is being sent, was sent, or is being split, so that copies of
// it may have been sent; or with code message_erased; Unavailable, also while it is held; UnknownOutcome.
func (s *Service) Cancel(ctx context.Context, tenant, id string) (email.Message, error) {
	st, err := s.changeable(ctx, tenant, id)
	if err != nil {
		return email.Message{}, err
	}
	return s.cancel(ctx, st)
}

func (s *Service) cancel(ctx context.Context, st stored) (email.Message, error) {
	return s.change(ctx, st, "canceled", func(st *stored) error {
		// A claimed message may be sent at any moment.
		if st.message.Status != email.Queued || st.record.Owner != "" {
			return errState
		}
		if st.message.Splitting {
			return errSplitting
		}
		s.dequeue(st, email.Canceled)
		return nil
	})
}

// CodeHeld is the code of errors about a message or a batch that waits for the store.
const CodeHeld = "message_held"

var errHeld = fault.New(fault.Unavailable, CodeHeld, "the message is safe and waits for the store; it cannot be changed before")

// errState is the error of a change that the state of a message does not allow.
var errState = fault.New(fault.Conflict, "unexpected_state", "")

// errSplitting is the error of a change to a message of which some copies may be messages already. CancelBatch
// cancels all of them.
var errSplitting = fault.New(fault.Conflict, errState.Code, "this message is being split into one for each of its copies; only its whole batch can be canceled")

// requeue changes a message that waits then. Only a later cancellation of its batch cancels it.
func (s *Service) requeue(ctx context.Context, tenant, id, what string, change func(*stored) error) (email.Message, error) {
	st, err := s.changeable(ctx, tenant, id)
	if err != nil {
		return email.Message{}, err
	}
	var b batch
	if m := &st.message; m.Batch != "" {
		b, err = s.batches.Get(ctx, m.Tenant, m.Batch)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return email.Message{}, err
		}
	}
	return s.change(ctx, st, what, func(st *stored) error {
		st.message.BatchCanceledAt = b.CanceledAt
		return change(st)
	})
}

// changeable returns a message that may be changed. NotFound; Unavailable while it is held.
func (s *Service) changeable(ctx context.Context, tenant, id string) (stored, error) {
	st, err := s.messages.Get(ctx, tenant, id)
	if err == nil && st.record.Held {
		err = errHeld
	}
	return st, err
}

// change changes a message once, also if the response of a save was lost: the message says which change it
// was. An attempt that begins meanwhile wins, or loses, as a whole: the change is made to the message as it
// is saved.
func (s *Service) change(ctx context.Context, st stored, what string, change func(*stored) error) (email.Message, error) {
	this := email.Change{ID: s.IDs.New("chg"), At: s.Clock.Now()}
	err := s.messages.Update(ctx, &st, func(st *stored) error {
		if !st.message.ErasedAt.IsZero() {
			return errErased
		}
		if st.message.Change.ID == this.ID { // it was saved, only the response was lost
			return record.ErrUnchanged
		}
		now := st.message.Status
		err := change(st)
		if errors.Is(err, errState) {
			return fault.New(fault.Conflict, errState.Code, "a message that is "+string(now)+" cannot be "+what)
		}
		if err == nil {
			st.message.Change = this
		}
		return err
	})
	if err != nil {
		return email.Message{}, err
	}
	s.queues.Nudge(st.record.Queue)
	return st.message, nil
}
