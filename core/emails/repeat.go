package emails

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
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

// errBatchCanceled and errSuppressed are the errors of a call that is not repeated because the message is not to
// be sent any more. The calls before may have sent it.
var (
	errBatchCanceled error = fault.New(fault.Canceled, "batch_canceled", "the batch was canceled before it was known whether the provider has taken the message")
	errSuppressed    error = fault.New(fault.Canceled, "recipient_suppressed", "a recipient was suppressed before it was known whether the provider has taken the message")
)

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
	case c.Queue != s.queues.Repeats(mailer.Name()) && c.Queue != s.queues.Queue(mailer.Name()): // it waits in its provider's queues, so that no other provider's places are held
		s.await(ctx, &st, 0, func(*email.Attempt) {})
	default:
		s.repeat(ctx, &st, mailer)
	}
}

// repeat makes the call of the last attempt again. It may be what sends the message: so it is not made if
// the message is not to be sent any more, and waits for room at a provider with a Rate.
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
	switch err := s.checkRepeat(ctx, &st.message); {
	case fault.Is(err, fault.Canceled):
		s.endRepeats(ctx, st, err)
		return
	case err != nil:
		s.Log.WarnContext(ctx, "it is not read whether an email is still to be sent; its call is not repeated yet", "email", st.message.ID, "tenant", st.message.Tenant, "provider", mailer.Name(), "error", err)
		return // the lease expires
	}
	if !s.takeRoom(ctx, st, mailer.Name()) {
		return
	}
	receipt, err := s.callRemembered(ctx, mailer, st)
	switch {
	case err == nil:
		s.drain(ctx, mailer)
		_ = s.endAttempt(ctx, st, outcome{id: st.message.LastAttempt().ID, receipt: receipt}) // saveOutcome logs a failure; the lease expires
	case isFinal(err), errors.Is(err, email.ErrExpired):
		s.endRepeats(ctx, st, err)
	default:
		s.awaitRepeat(ctx, st, err, 1)
	}
}

// checkRepeat returns Canceled if the message of a call that is to be repeated is not to be sent any more: its
// batch was canceled, or a recipient was suppressed, since the call was made first. Without that recipient it
// would be another call. Other errors: it is not known.
func (s *Service) checkRepeat(ctx context.Context, m *email.Message) error {
	ctx, cancel := context.WithTimeout(ctx, checkDeadline)
	defer cancel()
	if canceled, err := s.isCanceledByBatch(ctx, m); canceled || err != nil {
		return cmp.Or(err, errBatchCanceled)
	}
	reasons, err := s.suppressed(ctx, m)
	if err == nil && m.SuppressedSince(reasons) {
		return errSuppressed
	}
	return err
}

// callRemembered makes a call of the last attempt, for which there is room. A process may have been paused since
// it began the attempt, while others went on: it does not call a provider that may have forgotten them. Nor does it
// for a message that has expired since: Canceled with code expired.
func (s *Service) callRemembered(ctx context.Context, mailer ports.Mailer, st *stored) (receipt email.Receipt, err error) {
	m, err := s.callable(mailer, st)
	called := err == nil
	if called {
		receipt, err = call(st.withinRoom(ctx), mailer, s.withUnsubscribe(m, mailer.Features()))
	}
	if !called || err != nil && outcomeOf(err) != email.Ambiguous {
		s.returnRoom(st, mailer.Name())
	}
	return receipt, err
}

// callable returns a message as it is passed to the provider, unless that must not be called any more.
func (s *Service) callable(mailer ports.Mailer, st *stored) (email.Message, error) {
	if mailer.Features().KeyMemory > 0 && forgotten(mailer, st.message.LastAttempt(), s.Clock.Now()) {
		return email.Message{}, &fault.Error{
			Kind: fault.UnknownOutcome, Code: "interrupted", Message: "the process was paused during this attempt", NoRetry: true,
		}
	}
	m, err := s.outgoingTo(mailer, st)
	if err == nil && isExpired(&st.message, s.Clock.Now()) {
		err = email.ErrExpired
	}
	return m, err
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

// endRepeats ends the last attempt, whose outcome stays unknown. If the message may be sent twice the
// next provider is asked, as after any other ambiguous attempt.
func (s *Service) endRepeats(ctx context.Context, st *stored, err error) {
	last := st.message.LastAttempt()
	unknown := *fault.From(err)
	unknown.Kind = fault.UnknownOutcome
	o := outcome{id: last.ID, err: &unknown}
	n := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == last.Provider })
	if rest := available(st.message, s.Mailers[n+1:]); len(rest) > 0 && mayFailOver(st.message, o.err) {
		s.failOver(ctx, st, rest[0].Name(), o)
		return
	}
	_ = s.endAttempt(ctx, st, o) // saveOutcome logs a failure; the lease expires
}
