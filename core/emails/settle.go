package emails

import (
	"context"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/worker"
)

// conclude saves how an attempt ended, and what becomes of the message.
func (s *Service) conclude(ctx context.Context, st *stored, id string, r email.Receipt, err error) error {
	return s.settle(ctx, st, id, r, err, func(st *stored) { s.decide(st, outcomeOf(err), retryAfter(err)) })
}

// settle saves how an attempt ended and, if the message was not sent, what decide makes of it.
// id is empty if there was no attempt.
//
// An acceptance counts no matter which process reports it, and however late. A failure only says
// that this one attempt did nothing, so it counts once, and only from the process that holds the
// claim.
func (s *Service) settle(ctx context.Context, st *stored, id string, r email.Receipt, err error, decide func(*stored)) error {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	st.cause = err
	ours := worker.LeaseOf(st.record)
	var settled error
	serr := s.messages.Insisting().Update(ctx, st, func(st *stored) error {
		settled = s.merge(st, ours, outcome{id, r, err}, decide)
		return settled
	})
	switch {
	case serr != nil:
		s.Log.ErrorContext(ctx, "outcome of an email is not saved", "email", st.message.ID, "tenant", st.message.Tenant, "attempt", id, "error", serr)
	case settled != nil: // it was saved before, or came too late
		s.Log.DebugContext(ctx, "outcome of an email is no news", "email", st.message.ID, "attempt", id)
	}
	return serr
}

// outcome is how an attempt ended. Its id is empty if there was no attempt.
type outcome struct {
	id      string
	receipt email.Receipt
	err     error
}

// merge applies an outcome to a message. It returns record.ErrUnchanged if the outcome changes nothing,
// or if it is a failure and ours no longer holds. An acceptance needs no claim, and decide is
// not called for it.
func (s *Service) merge(st *stored, ours worker.Lease, o outcome, decide func(*stored)) error {
	accepted := o.id != "" && o.err == nil
	n := slices.IndexFunc(st.message.Attempts, func(a email.Attempt) bool { return a.ID == o.id })
	if !accepted && !ours.On(st.record) || n >= 0 && ended(st.message.Attempts[n], accepted) {
		return record.ErrUnchanged
	}
	if n >= 0 {
		finish(&st.message.Attempts[n], o.receipt, o.err, s.Clock.Now())
	}
	switch {
	case !st.message.Any(email.Accepted):
		decide(st)
	case !st.message.Any(email.Attempting): // otherwise the process with that attempt ends it first
		s.park(st, st.message.Reached())
	}
	return nil
}

// ended reports whether an attempt has already ended, so that another outcome changes nothing.
// An acceptance still changes an attempt that ended otherwise.
func ended(a email.Attempt, accepted bool) bool {
	if accepted {
		return a.Outcome == email.Accepted
	}
	return a.Outcome != email.Attempting
}

func retryAfter(err error) time.Duration {
	if err == nil {
		return 0
	}
	return fault.From(err).RetryAfter
}

func finish(a *email.Attempt, r email.Receipt, err error, now time.Time) {
	a.Outcome, a.Reference, a.EndedAt, a.Code, a.Message, a.Answer = outcomeOf(err), r.Reference, now, "", "", nil
	if err != nil {
		f := fault.From(err)
		a.Code, a.Message = f.Code, f.Message
		if a.Code == "" {
			a.Code = f.Kind.String()
		}
		if f.Answer != nil {
			a.Answer = &email.Answer{Status: f.Answer.Status, Field: f.Answer.Field, Words: f.Answer.Words}
		}
	}
}
