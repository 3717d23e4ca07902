package mailroom

import (
	"context"
	"errors"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// errSettled says that there is nothing to save of an outcome.
var errSettled = fault.New(fault.Conflict, "outcome_settled", "the outcome was saved before, or came too late")

// conclude saves how an attempt ended, and what becomes of the message.
func (s *Service) conclude(ctx context.Context, st *stored, id string, r message.Receipt, err error) error {
	return s.settle(ctx, st, id, r, err, func(st *stored) { s.decide(st, outcomeOf(err), retryAfter(err)) })
}

// settle saves how an attempt ended, and what decide makes of the message if it was not
// sent. id is empty where there was no attempt.
//
// That a provider has accepted the message is true whoever brings it, however late. A
// failure only says that this one attempt did nothing: it counts from whoever holds the
// claim, once.
func (s *Service) settle(ctx context.Context, st *stored, id string, r message.Receipt, err error, decide func(*stored)) error {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	st.cause = err
	ours := claimOf(st.record)
	serr := s.updateBy(ctx, ports.Insist, st, func(st *stored) error {
		return s.merge(st, ours, outcome{id, r, err}, decide)
	})
	switch {
	case errors.Is(serr, errSettled):
		s.Log.DebugContext(ctx, "outcome of an email is no news", "email", st.message.ID, "attempt", id)
		return nil
	case serr != nil:
		s.Log.ErrorContext(ctx, "outcome of an email is not saved", "email", st.message.ID, "tenant", st.message.Tenant, "attempt", id, "error", serr)
	}
	return serr
}

// outcome is how an attempt ended. Its id is empty where there was none.
type outcome struct {
	id      string
	receipt message.Receipt
	err     error
}

// merge takes an outcome into a message. It is errSettled where that is no news, or does
// not come from the holder of the claim and would have to; an acceptance comes from
// anybody, and asks nobody to decide.
func (s *Service) merge(st *stored, ours claim, o outcome, decide func(*stored)) error {
	accepted := o.id != "" && o.err == nil
	n := slices.IndexFunc(st.message.Attempts, func(a message.Attempt) bool { return a.ID == o.id })
	if !accepted && !ours.holds(st.record) || n >= 0 && ended(st.message.Attempts[n], accepted) {
		return errSettled
	}
	if n >= 0 {
		finish(&st.message.Attempts[n], o.receipt, o.err, s.Clock.Now())
	}
	switch {
	case !st.message.Any(message.Accepted):
		decide(st)
	case !st.message.Any(message.Attempting): // else whoever makes that attempt ends it first
		s.park(st, st.message.Reached())
	}
	return nil
}

// ended reports whether an attempt has ended, so that what comes now is no news of it.
// That it was accepted is news even of one that was given up.
func ended(a message.Attempt, accepted bool) bool {
	if accepted {
		return a.Outcome == message.Accepted
	}
	return a.Outcome != message.Attempting
}

func retryAfter(err error) time.Duration {
	if err == nil {
		return 0
	}
	return fault.From(err).RetryAfter
}

func finish(a *message.Attempt, r message.Receipt, err error, now time.Time) {
	a.Outcome, a.Reference, a.EndedAt, a.Code, a.Message, a.Answer = outcomeOf(err), r.Reference, now, "", "", nil
	if err != nil {
		f := fault.From(err)
		a.Code, a.Message = f.Code, f.Message
		if a.Code == "" {
			a.Code = f.Kind.String()
		}
		if f.Answer != nil {
			a.Answer = &message.Answer{Status: f.Answer.Status, Field: f.Answer.Field, Words: f.Answer.Words}
		}
	}
}
