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
	ours, accepted := claimOf(st.record), id != "" && err == nil
	serr := s.updateBy(ctx, ports.Insist, st, func(st *stored) error {
		n := slices.IndexFunc(st.message.Attempts, func(a message.Attempt) bool { return a.ID == id })
		if !accepted && !ours.holds(st.record) || n >= 0 && ended(st.message.Attempts[n], accepted) {
			return errSettled
		}
		if n >= 0 {
			finish(&st.message.Attempts[n], r, err, s.Clock.Now())
		}
		switch {
		case !st.message.Any(message.Accepted):
			decide(st)
		case !st.message.Any(message.Attempting): // else whoever makes that attempt ends it first
			s.park(st, message.Sent)
		}
		return nil
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
