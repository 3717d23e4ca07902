package emails

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
)

// awaitRepeat waits for the next repeat of a call that has failed, and shows its error in the attempt.
// more is how many repeats that call was: 0 or 1.
func (s *Service) awaitRepeat(ctx context.Context, st *stored, err error, more int) {
	repeats := st.message.LastAttempt().Repeats + more
	wait, ok := schedule.After(repeats + 1)
	if !ok {
		wait = schedule[len(schedule)-1]
	}
	wait = max(jitter(wait), retryAfter(err))
	if s.isImpatient(st, wait) {
		s.endRepeats(ctx, st, err)
		return
	}
	st.cause = err
	if f := fault.From(err); f.Skipped || f.RetryAfter == 0 && !f.Blameless {
		s.backlog.add(&st.message)
	}
	s.await(ctx, st, wait, func(a *email.Attempt) {
		f := fault.From(err)
		a.Repeats, a.Code, a.Message, a.Answer = repeats, cmp.Or(f.Code, f.Kind.String()), f.Message, f.Answer
	})
}

// isImpatient reports whether a message that may be sent twice is to go to another provider rather
// than to wait for the next repeat of its last attempt. Another one must be able to carry it now, and have room.
func (s *Service) isImpatient(st *stored, wait time.Duration) bool {
	last := st.message.LastAttempt()
	if st.message.Delivery != email.AtLeastOnce || !s.Clock.Now().Add(wait).After(last.StartedAt.Add(patience)) {
		return false
	}
	m := st.outgoing()
	return slices.ContainsFunc(eligible(m, s.Mailers), func(p ports.Mailer) bool {
		room, _ := s.opening(p, m.Date())
		return p.Name() != last.Provider && room >= recipientsOf(m)
	})
}

// await puts a message into the queue of its last attempt's provider, with the attempt still open. It
// is due after the wait, or once the provider may have forgotten the attempt or the message expires.
func (s *Service) await(ctx context.Context, st *stored, wait time.Duration, change func(*email.Attempt)) {
	s.keepOpen(ctx, st, func(st *stored, last *email.Attempt) {
		change(last)
		st.record.Queue, st.record.Due = s.queues.Repeats(last.Provider), s.untilExpiry(&st.message, s.repeatDue(*last, wait))
	})
}

// awaitRoom lets a call that is to be repeated wait for room at its provider, which has none before a time. It
// waits in its place among the messages that do, and does not outlive the memory of the provider there: see expiry.
// If these are claimed nevertheless, it is set aside, and room is kept for it.
func (s *Service) awaitRoom(ctx context.Context, st *stored, b *budget, until time.Time) {
	now, m, last := s.Clock.Now(), st.outgoing(), st.message.LastAttempt()
	s.HeldBack(b.provider)
	if !b.Waits && s.isImpatient(st, until.Sub(now)) {
		s.endRepeats(ctx, st, &fault.Error{Kind: fault.UnknownOutcome, Code: cmp.Or(last.Code, "interrupted"), Message: last.Message, Answer: last.Answer})
		return
	}
	overtaken := s.opens(b, s.Mailers, 1, now).IsZero()
	if overtaken || recipientsOf(m) > 1 {
		s.keepRoom(ctx, b, m, until, b.keepRepeat)
	}
	if overtaken {
		s.await(ctx, st, inOrder(latest(until, now), now.Sub(m.Date())).Sub(now), func(*email.Attempt) {})
		return
	}
	s.keepOpen(ctx, st, func(st *stored, last *email.Attempt) {
		st.record.Queue, st.record.Due = s.queues.Queue(last.Provider), st.message.Date()
	})
}

// keepOpen saves a message whose last attempt stays open, and which waits as put says.
func (s *Service) keepOpen(ctx context.Context, st *stored, put func(*stored, *email.Attempt)) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	id, lease := st.message.LastAttempt().ID, worker.LeaseOf(st.record)
	err := s.messages.Insisting().Update(ctx, st, func(st *stored) error {
		last := &st.message.Attempts[len(st.message.Attempts)-1]
		if !lease.On(st.record) || last.ID != id || last.Outcome != email.Attempting {
			return record.ErrUnchanged // another process continues it, or the provider has reported the outcome
		}
		last.Room = countedIn(last.Room, st.room)
		s.stampRestore(&st.message)
		st.record.Owner = ""
		put(st, last)
		return nil
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "email is not put off", slog.String("email", st.message.ID), slog.String("tenant", st.message.Tenant), slog.Any("error", err))
		return // the lease expires
	}
	s.queues.Nudge(st.record.Queue)
}

// countedIn returns the windows in which a call is counted, after more room was taken for it.
func countedIn(before, more room) room {
	if len(more) == 0 {
		return before
	}
	all := maps.Clone(more)
	for per, until := range before {
		if all[per].IsZero() {
			all[per] = until
		}
	}
	return all
}

// repeatPace is how long a message whose call was repeated n times is left alone, n times over, although
// its provider accepts others. The cause may be the message itself.
const repeatPace = time.Minute

// repeatNow makes the repeat of a call due whose provider has just accepted another message, instead of
// waiting for the schedule. See makeDue.
func (s *Service) repeatNow(ctx context.Context, w waiting, st *stored, p ports.Mailer) (due bool) {
	now, last := s.Clock.Now(), st.message.LastAttempt()
	if last.Provider != p.Name() || now.Sub(st.message.UpdatedAt) < time.Duration(last.Repeats)*repeatPace {
		return false
	}
	s.backlog.forget(w)
	err := s.messages.Update(ctx, st, func(st *stored) error {
		due = false
		if st.message.Status != email.Sending || st.record.Owner != "" || !st.record.Due.After(now) {
			return record.ErrUnchanged
		}
		st.record.Due, due = st.message.Date(), true
		return nil
	})
	if err != nil || !due {
		return false // the schedule remains
	}
	s.queues.Nudge(st.record.Queue)
	return true
}

// repeatDue returns when the call of an attempt is to be repeated.
func (s *Service) repeatDue(a email.Attempt, wait time.Duration) time.Time {
	now := s.Clock.Now()
	due, end := now.Add(wait), latest(now, s.forgottenAt(a))
	if due.After(end) {
		return end
	}
	return due
}

// forgottenAt returns from when on the provider of an attempt may have forgotten it.
func (s *Service) forgottenAt(a email.Attempt) time.Time {
	mailer, ok := s.mailer(a.Provider)
	if !ok {
		return a.StartedAt
	}
	return a.StartedAt.Add(mailer.Features().KeyMemory - keyMargin)
}
