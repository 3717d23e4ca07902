package emails

import (
	"cmp"
	"context"
	"slices"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/worker"
	"patchbay/ports"
)

// handle sends a waiting message. If an attempt was in progress when its process died, the
// outcome of that attempt is unknown.
func (s *Service) handle(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	if last := st.message.LastAttempt(); last.Outcome == email.Attempting {
		lost := fault.New(fault.UnknownOutcome, "interrupted", "the process ended during this attempt")
		_ = s.conclude(ctx, &st, outcome{id: last.ID, err: lost}) // settle logs it; the lease expires
		return nil
	}
	if s.outdated(st.message) {
		_ = s.settle(ctx, &st, outcome{}, func(st *stored) { s.park(st, email.Unknown) }) // as above
		return nil
	}
	s.send(ctx, st, s.queues.Provider(c.Queue))
	return nil
}

// note records in a message that is to be sent which restore of the journal came last.
func (s *Service) note(m *email.Message) {
	m.Restore = nil
	if at, known := s.Restored(); known {
		m.Restore = &at
	}
}

// outdated reports whether a message must not be sent because it may have been sent in the
// period that a restored journal has lost. The time of the restore is compared with the
// message's own times only if the message records no restore: the clock of the machine that
// restored the journal may be wrong.
func (s *Service) outdated(m email.Message) bool {
	at, known := s.Restored()
	switch {
	case !known || m.Delivery != email.AtMostOnce:
		return false
	case m.Restore != nil:
		return !m.Restore.Equal(at)
	}
	return !at.IsZero() && m.UpdatedAt.Before(at) && earliest(m).Before(at)
}

// earliest returns the earliest time at which a waiting message may have been due.
func earliest(m email.Message) time.Time {
	if wait, ok := schedule.After(m.Failures); ok && len(m.Attempts) > 0 {
		return m.LastAttempt().EndedAt.Add(wait - wait/10) // the shortest delay that jitter yields
	}
	return latest(m.CreatedAt, m.SendAt)
}

// send tries the next provider if that is the one whose place this goroutine holds, and decides
// what becomes of the message. st is claimed by this process.
func (s *Service) send(ctx context.Context, st stored, at string) {
	leave, ok := s.rooms[at].take(ctx, &st.message)
	if !ok {
		s.stepBack(ctx, &st, at)
		return
	}
	defer leave()
	if err := s.unpack(ctx, &st); err != nil {
		s.Log.ErrorContext(ctx, "files of an email are not read", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Internal) {
			s.putOff(ctx, &st)
		}
		return // otherwise the lease expires
	}
	route := s.route(st.message)
	if len(route) == 0 {
		s.Log.WarnContext(ctx, "no provider can carry an email", "email", st.message.ID, "tenant", st.message.Tenant)
		s.strand(&st)
		s.putOff(ctx, &st)
		return
	}
	if next := route[0].Name(); next != at {
		s.pass(ctx, &st, next)
		return
	}
	id, err := s.begin(ctx, &st, at)
	if err != nil {
		s.Log.WarnContext(ctx, "attempt to send an email is not begun", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		return // nothing was sent; it is retried when the lease expires
	}
	receipt, serr := call(ctx, route[0], st.letter())
	if len(route) > 1 && mayMoveOn(st.message, serr) {
		s.moveOn(ctx, &st, route[1].Name(), func(move func(*stored)) error {
			return s.settle(ctx, &st, outcome{id, receipt, serr}, move)
		})
		return
	}
	_ = s.conclude(ctx, &st, outcome{id, receipt, serr}) // settle logs it; the lease expires
}

// route lists the providers to ask, without those that the message has moved on from.
func (s *Service) route(m email.Message) []ports.Mailer {
	from := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == m.Next })
	if rest := able(m, s.Mailers[max(from, 0):]); len(rest) > 0 {
		return rest
	}
	return able(m, s.Mailers)
}

// willing lists the providers that can carry the message and have not refused it.
func willing(m email.Message, mailers []ports.Mailer) []ports.Mailer {
	return slices.DeleteFunc(slices.Clone(mailers), func(p ports.Mailer) bool {
		return p.Features().Carry(m) != nil || m.RefusedBy(p.Name())
	})
}

// refusedEverywhere reports whether every provider that can carry the message has refused it, so
// that waiting is pointless.
func refusedEverywhere(m email.Message, mailers []ports.Mailer) bool {
	refused := slices.ContainsFunc(mailers, func(p ports.Mailer) bool { return m.RefusedBy(p.Name()) })
	return refused && len(willing(m, mailers)) == 0
}

// able lists the willing providers that are available, or all willing ones if none is.
func able(m email.Message, mailers []ports.Mailer) []ports.Mailer {
	able := willing(m, mailers)
	ready := slices.DeleteFunc(slices.Clone(able), func(p ports.Mailer) bool { return ports.Available(p) != nil })
	if len(ready) == 0 {
		return able
	}
	return ready
}

// first returns the name of the provider to ask first, "" if none can carry the message.
func (s *Service) first(m email.Message) string {
	if able := able(m, s.Mailers); len(able) > 0 {
		return able[0].Name()
	}
	return ""
}

// mayMoveOn reports whether another provider may be asked: either it is proved that nothing was
// sent, for a reason specific to this provider, or the message may be sent twice.
func mayMoveOn(m email.Message, err error) bool {
	if err == nil {
		return false
	}
	kind := fault.KindOf(err)
	if outcomeOf(err) == email.Ambiguous {
		return m.Delivery == email.AtLeastOnce
	}
	return kind.Rule().Failover || kind == fault.NotFound || kind == fault.Unsupported
}

func call(ctx context.Context, mailer ports.Mailer, m email.Message) (email.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptDeadline)
	defer cancel()
	return mailer.Send(ports.WithTenant(ctx, m.Tenant), m)
}

// begin makes an attempt durable before anything is sent. A message that was canceled, or
// claimed by another process in the meantime, is not sent.
func (s *Service) begin(ctx context.Context, st *stored, provider string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	ours := worker.LeaseOf(st.record)
	id = s.IDs.New("att")
	st.message.Status, st.message.Next = email.Sending, ""
	st.message.Attempts = append(st.message.Attempts, email.Attempt{
		ID: id, Provider: provider, Outcome: email.Attempting, Marked: true, StartedAt: s.Clock.Now(),
	})
	err = s.save(ctx, st)
	if fault.Is(err, fault.UnknownOutcome) {
		fresh, rerr := s.messages.Get(ctx, st.message.Tenant, st.message.ID)
		if rerr == nil && fresh.message.Attempted(id) && ours.On(fresh.record) {
			s.messages.Keep(st, &fresh)
			*st = fresh
			return id, nil
		}
	}
	return id, err
}

// decide says what becomes of a message that its last attempt did not send.
func (s *Service) decide(st *stored, o email.Outcome, after time.Duration) {
	switch {
	case o == email.RejectedMessage, refusedEverywhere(st.message, s.Mailers):
		s.park(st, email.Failed)
		return
	case o == email.Ambiguous && st.message.Delivery == email.AtMostOnce:
		s.park(st, email.Unknown)
		return
	}
	st.message.Failures++
	wait, ok := schedule.After(st.message.Failures)
	if !ok {
		st.aside = true
		s.park(st, email.Failed)
		return
	}
	s.wait(st, s.Clock.Now().Add(max(jitter(wait), after)))
}

// strand records that no provider can carry the message, as an attempt without a provider.
func (s *Service) strand(st *stored) {
	a := email.Attempt{ID: s.IDs.New("att"), StartedAt: s.Clock.Now()}
	finish(&a, outcome{err: errStranded}, a.StartedAt)
	st.message.Attempts = append(st.message.Attempts, a)
}

// putOff schedules a retry for a message that was not tried.
func (s *Service) putOff(ctx context.Context, st *stored) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.decide(st, email.NotAccepted, 0)
	if err := s.save(ctx, st); err != nil {
		s.Log.ErrorContext(ctx, "email is not put off", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	}
}

// outcomes maps the Kind of an attempt's error to the attempt's outcome. A Kind that is not
// listed means Ambiguous.
var outcomes = map[fault.Kind]email.Outcome{
	fault.Invalid:       email.RejectedMessage,
	fault.NotFound:      email.ProviderUnusable, // the domain or the template is missing
	fault.Unauthorized:  email.ProviderUnusable,
	fault.QuotaExceeded: email.ProviderUnusable,
	fault.Refused:       email.ProviderUnusable, // the reason can be fixed in the provider's account
	fault.Unsupported:   email.NotAccepted,
	fault.Unavailable:   email.NotAccepted,
	fault.RateLimited:   email.NotAccepted,
	fault.Overloaded:    email.NotAccepted,
	fault.Canceled:      email.NotAccepted,
}

func outcomeOf(err error) email.Outcome {
	if err == nil {
		return email.Accepted
	}
	f := fault.From(err)
	if f.Kind == fault.Refused && f.NoRetry {
		return email.RefusedHere
	}
	if o, ok := outcomes[f.Kind]; ok {
		return o
	}
	return email.Ambiguous
}

// errStranded is the failure of a message that no configured provider can carry any more.
var errStranded = fault.New(fault.Unsupported, "no_provider", "none of the configured providers can carry this message")

// carriable returns Unsupported unless one of the providers can carry the message. No part of a
// message is ever dropped silently.
func (s *Service) carriable(m email.Message) error {
	if len(s.Mailers) == 0 {
		return fault.New(fault.Unavailable, "no_mail_provider", "no mail provider is configured")
	}
	var first error
	for _, mailer := range s.Mailers {
		err := mailer.Features().Carry(m)
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return first
}

// conclude saves how an attempt ended, and what becomes of the message.
func (s *Service) conclude(ctx context.Context, st *stored, o outcome) error {
	return s.settle(ctx, st, o, func(st *stored) { s.decide(st, outcomeOf(o.err), retryAfter(o.err)) })
}

// settle saves how an attempt ended and, if the message was not sent, what decide makes of it.
//
// An acceptance counts no matter which process reports it, and however late. A failure only says
// that this one attempt did nothing, so it counts once, and only from the process that holds the
// claim.
func (s *Service) settle(ctx context.Context, st *stored, o outcome, decide func(*stored)) error {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	st.cause = o.err
	ours := worker.LeaseOf(st.record)
	var settled error
	serr := s.messages.Insisting().Update(ctx, st, func(st *stored) error {
		settled = s.merge(st, ours, o, decide)
		return settled
	})
	switch {
	case serr != nil:
		s.Log.ErrorContext(ctx, "outcome of an email is not saved", "email", st.message.ID, "tenant", st.message.Tenant, "attempt", o.id, "error", serr)
	case settled != nil: // it was saved before, or came too late
		s.Log.DebugContext(ctx, "outcome of an email is no news", "email", st.message.ID, "attempt", o.id)
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
		finish(&st.message.Attempts[n], o, s.Clock.Now())
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

func finish(a *email.Attempt, o outcome, now time.Time) {
	a.Outcome, a.Reference, a.EndedAt, a.Code, a.Message, a.Answer = outcomeOf(o.err), o.receipt.Reference, now, "", "", nil
	if o.err != nil {
		f := fault.From(o.err)
		a.Code, a.Message, a.Answer = cmp.Or(f.Code, f.Kind.String()), f.Message, f.Answer
	}
}
