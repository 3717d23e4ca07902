package emails

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
)

// A provider that remembers attempts (email.Features.KeyMemory) answers a repeated call as it answered
// the first, and does not send the message again. So an attempt there is not ended while its outcome
// is unknown: it stays email.Attempting, and the same call is repeated, until the provider accepts it
// or may have forgotten it. Only then is the attempt ambiguous.
//
// A refusal of a repeat does not end the attempt either. It may be about the account as it is now,
// and the first call may have been accepted nevertheless.

// keyMargin is how long before its provider forgets an attempt the attempt counts as forgotten. The
// clocks of two gateways may differ by as much, and a repeat takes its time.
const keyMargin = time.Hour

// patience is how long after its begin an attempt under at_least_once is repeated at its provider
// while another one could carry the message. By then the answer is not merely lost: the provider does
// not work, and a message that is late is worse than one that may arrive twice.
const patience = 2 * time.Minute

// errAccount is the error of an attempt that is not repeated because its provider's name means another
// account since, which does not know the attempt.
var errAccount = fault.New(fault.UnknownOutcome, "account_changed", "the provider's name may mean another account than the one that was asked")

// repeatable returns the provider of the last attempt if the call may be repeated there. times are
// readings of the clocks that can tell how old the attempt is. One that is wrong may send the message
// a second time, so all of them must agree that the provider still remembers the attempt.
//
// What an older copy of the journal has open may have ended since, and the message may have been sent
// by another provider. Under at_most_once that is not repeated.
//
// A provider's name may mean another account since the attempt began: see isSameAccount.
//
// Nor is a call for a message that has expired: the first one may not have reached the provider, and the
// repeat would then be what sends it.
func (s *Service) repeatable(m *email.Message, times ...time.Time) (ports.Mailer, bool) {
	last := m.LastAttempt()
	mailer, ok := s.mailer(last.Provider)
	if !ok || !last.Marked || !isSameAccount(mailer, last) || s.possiblySent(*m) || isExpired(m, s.Clock.Now()) {
		return nil, false
	}
	if slices.ContainsFunc(times, func(now time.Time) bool { return forgotten(mailer, last, now) }) {
		return nil, false
	}
	return mailer, true
}

// mailer returns the provider with a name.
func (s *Service) mailer(name string) (ports.Mailer, bool) {
	n := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == name })
	if n < 0 {
		return nil, false
	}
	return s.Mailers[n], true
}

// isSameAccount reports whether the provider is the account that an attempt was made at. Where that is not
// known, because an earlier version made the attempt or the provider has no Account, it counts as another
// one: that account would send the message a second time.
func isSameAccount(mailer ports.Mailer, a email.Attempt) bool {
	return a.Account != "" && a.Account == mailer.Features().Account
}

// hasMoved reports whether the last attempt is repeated no more because its account is not there.
func (s *Service) hasMoved(last email.Attempt) bool {
	mailer, ok := s.mailer(last.Provider)
	return ok && mailer.Features().KeyMemory > 0 && !isSameAccount(mailer, last)
}

// forgotten reports whether the provider may have forgotten an attempt by now. It may have, too, if
// the clock was set back.
func forgotten(mailer ports.Mailer, a email.Attempt, now time.Time) bool {
	age := now.Sub(a.StartedAt)
	return age >= mailer.Features().KeyMemory-keyMargin || age < -keyMargin
}

// resolve continues a claimed message whose last attempt has no outcome: the process that made it
// died, or its outcome is unknown and the call is to be repeated.
func (s *Service) resolve(ctx context.Context, st stored, c ports.Claim) {
	mailer, ok := s.repeatable(&st.message, s.Clock.Now(), c.Due.Add(-s.lease)) // the latter by the store's clock
	switch last := st.message.LastAttempt(); {
	case !ok && s.hasMoved(last):
		s.Log.WarnContext(ctx, "provider's name may mean another account now; an email in doubt is not asked for again", "email", st.message.ID, "tenant", st.message.Tenant, "provider", last.Provider)
		s.endRepeats(ctx, &st, errAccount)
	case !ok && last.Code == "":
		lost := fault.New(fault.UnknownOutcome, "interrupted", "the process ended during this attempt")
		_ = s.endAttempt(ctx, &st, outcome{id: last.ID, err: lost}) // saveOutcome logs a failure; the lease expires
	case !ok:
		s.endRepeats(ctx, &st, &fault.Error{Kind: fault.UnknownOutcome, Code: last.Code, Message: last.Message, Answer: last.Answer})
	case s.queues.Repeats(mailer.Name()) != c.Queue: // it waits in its provider's queue, so that no other provider's places are held
		s.await(ctx, &st, 0, func(*email.Attempt) {})
	default:
		s.repeat(ctx, &st, mailer)
	}
}

// repeat makes the call of the last attempt again.
func (s *Service) repeat(ctx context.Context, st *stored, mailer ports.Mailer) {
	if err := ports.Available(mailer); err != nil {
		if wait := max(retryAfter(err), schedule[0]); s.isImpatient(st, wait) {
			s.endRepeats(ctx, st, err)
		} else {
			s.await(ctx, st, wait, func(*email.Attempt) {})
		}
		return
	}
	release, ok := s.memory[mailer.Name()].acquire(ctx, &st.message)
	if !ok {
		s.await(ctx, st, memoryWait, func(*email.Attempt) {})
		return
	}
	defer release()
	switch ready, err := s.prepare(ctx, st); {
	case err != nil:
		s.endRepeats(ctx, st, err)
		return
	case !ready:
		return
	}
	receipt, err := s.callRemembered(ctx, mailer, st)
	switch {
	case err == nil:
		s.drain(ctx, mailer)
		_ = s.endAttempt(ctx, st, outcome{id: st.message.LastAttempt().ID, receipt: receipt}) // saveOutcome logs a failure; the lease expires
	case isFinal(err), errors.Is(err, errExpired):
		s.endRepeats(ctx, st, err)
	default:
		s.awaitRepeat(ctx, st, err, 1)
	}
}

// callRemembered makes a call of the last attempt. A process may have been paused since it began the
// attempt, while others went on: it does not call a provider that may have forgotten them. Nor does it
// for a message that has expired since: Canceled with code expired.
func (s *Service) callRemembered(ctx context.Context, mailer ports.Mailer, st *stored) (email.Receipt, error) {
	if mailer.Features().KeyMemory > 0 && forgotten(mailer, st.message.LastAttempt(), s.Clock.Now()) {
		return email.Receipt{}, &fault.Error{
			Kind: fault.UnknownOutcome, Code: "interrupted", Message: "the process was paused during this attempt", NoRetry: true,
		}
	}
	m, err := s.outgoingTo(mailer, st)
	if err != nil {
		return email.Receipt{}, err
	}
	if isExpired(&st.message, s.Clock.Now()) {
		return email.Receipt{}, errExpired
	}
	return call(ctx, mailer, s.withUnsubscribe(m, mailer.Features()))
}

// isFinal reports whether the same call would be answered alike for ever.
func isFinal(err error) bool {
	f := fault.From(err)
	return f.NoRetry || f.Kind == fault.Invalid || f.Kind == fault.Unsupported || f.Kind == fault.NotFound
}

// mustRepeat reports whether the outcome of the first call of the last attempt, with this error, is
// to be learned by repeating the call.
func (s *Service) mustRepeat(st *stored, err error) bool {
	if outcomeOf(err) != email.Ambiguous || isFinal(err) {
		return false
	}
	_, ok := s.repeatable(&st.message, s.Clock.Now())
	return ok
}

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
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	id, lease := st.message.LastAttempt().ID, worker.LeaseOf(st.record)
	err := s.messages.Insisting().Update(ctx, st, func(st *stored) error {
		last := &st.message.Attempts[len(st.message.Attempts)-1]
		if !lease.On(st.record) || last.ID != id || last.Outcome != email.Attempting {
			return record.ErrUnchanged // another process continues it, or the provider has reported the outcome
		}
		change(last)
		s.stampRestore(&st.message)
		st.record.Queue, st.record.Owner, st.record.Due = s.queues.Repeats(last.Provider), "", s.untilExpiry(&st.message, s.repeatDue(*last, wait))
		return nil
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "email is not put off", slog.String("email", st.message.ID), slog.String("tenant", st.message.Tenant), slog.Any("error", err))
		return // the lease expires
	}
	s.queues.Nudge(st.record.Queue)
}

// repeatPace is how long a message whose call was repeated n times is left alone, n times over, although
// its provider accepts others. The cause may be the message itself.
const repeatPace = time.Minute

// repeatNow makes the repeat of a call due whose provider has just accepted another message, instead of
// waiting for the schedule. See makeDue. A repeat may be what sends the message: so at a provider with a Rate
// only as many are made due as there is room for. Those by the schedule need none.
func (s *Service) repeatNow(ctx context.Context, w waiting, st *stored, p ports.Mailer) (due bool) {
	now, last := s.Clock.Now(), st.message.LastAttempt()
	if last.Provider != p.Name() || now.Sub(st.message.UpdatedAt) < time.Duration(last.Repeats)*repeatPace {
		return false
	}
	giveBack, ok := s.takeRepeatRoom(ctx, st, p.Name())
	if !ok {
		return false // it waits for the schedule, or until the provider accepts another one
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
		giveBack()
		return false // the schedule remains
	}
	s.queues.Nudge(st.record.Queue)
	return true
}

// repeatDue returns when the call of an attempt is to be repeated.
func (s *Service) repeatDue(a email.Attempt, wait time.Duration) time.Time {
	now := s.Clock.Now()
	due, end := now.Add(wait), now
	for _, mailer := range s.Mailers {
		if mailer.Name() == a.Provider {
			end = latest(now, a.StartedAt.Add(mailer.Features().KeyMemory-keyMargin))
		}
	}
	if due.After(end) {
		return end
	}
	return due
}

// endRepeats ends the last attempt, whose outcome stays unknown. If the message may be sent twice the
// next provider is asked, as after any other ambiguous attempt.
func (s *Service) endRepeats(ctx context.Context, st *stored, err error) {
	last := st.message.LastAttempt()
	unknown := *fault.From(err)
	unknown.Kind = fault.UnknownOutcome
	o := outcome{id: last.ID, err: &unknown}
	n := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == last.Provider })
	if rest := available(st.message, s.Mailers[n+1:]); len(rest) > 0 && mayFailOver(st.message, o.err) {
		s.failOver(ctx, st, rest[0].Name(), func(move func(*stored)) error { return s.saveOutcome(ctx, st, o, move) })
		return
	}
	_ = s.endAttempt(ctx, st, o) // saveOutcome logs a failure; the lease expires
}
