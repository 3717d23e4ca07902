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
// outcome of that attempt is unknown: see resolve.
func (s *Service) handle(ctx context.Context, c ports.Claim) error {
	return s.handleClaim(ctx, c, nil)
}

// handleClaim is handle for a claim from the queue of a provider with a Rate: left is called once the message
// has taken its room, or nil.
func (s *Service) handleClaim(ctx context.Context, c ports.Claim, left func()) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	st.left = left
	if last := st.message.LastAttempt(); last.Outcome == email.Attempting {
		s.resolve(ctx, st, c)
		return nil
	}
	if ready, err := s.isReady(ctx, &st); !ready {
		return err
	}
	if s.possiblySent(st.message) {
		_ = s.saveOutcome(ctx, &st, outcome{}, func(st *stored) { s.dequeue(st, email.Unknown) }) // as above
		return nil
	}
	s.send(ctx, st, s.queues.Provider(c.Queue))
	return nil
}

// stampRestore records in a message that is to be sent which restore of the journal came last.
func (s *Service) stampRestore(m *email.Message) {
	m.Restore = nil
	if at, known := s.Restored(); known {
		m.Restore = &at
	}
}

// possiblySent reports whether a message must not be sent because it may have been sent in the
// period that a restored journal has lost. The time of the restore is compared with the
// message's own times only if the message records no restore: the clock of the machine that
// restored the journal may be wrong.
func (s *Service) possiblySent(m email.Message) bool {
	at, known := s.Restored()
	switch {
	case !known || m.Delivery != email.AtMostOnce:
		return false
	case m.Restore != nil:
		return !m.Restore.Equal(at)
	}
	return !at.IsZero() && m.UpdatedAt.Before(at) && earliestDue(m).Before(at)
}

// earliestDue returns the earliest time at which a waiting message may have been due.
func earliestDue(m email.Message) time.Time {
	if wait, ok := schedule.After(m.Failures); ok && len(m.Attempts) > 0 {
		return m.LastAttempt().EndedAt.Add(wait - wait/10) // the shortest delay that jitter yields
	}
	return latest(m.CreatedAt, m.SendAt)
}

// send sends a message by the provider whose place this goroutine holds, if that is the one to ask next, and
// decides what becomes of the message. st is claimed by this process.
func (s *Service) send(ctx context.Context, st stored, at string) {
	if s.expire(ctx, &st) {
		return
	}
	release, ok := s.memory[at].acquire(ctx, &st.message)
	if !ok {
		s.waitForMemory(ctx, &st, at)
		return
	}
	defer release()
	if st.message.Splitting {
		s.split(ctx, &st)
		return
	}
	providers, here := s.route(ctx, &st, at)
	if !here || !s.checkSuppressed(ctx, &st, providers[0]) {
		return
	}
	switch ready, err := s.prepare(ctx, &st); {
	case err != nil:
		s.postpone(ctx, &st)
		return
	case !ready:
		return
	}
	if s.expire(ctx, &st) || !s.takeRoom(ctx, &st, at) { // what was done since the first check may have taken its time
		return
	}
	s.attempt(ctx, &st, providers)
}

// route returns the providers to try, and whether the first of them is the one whose place this goroutine holds.
// If not, the message is passed on, waits for room, is split or is put off: send is done with it.
func (s *Service) route(ctx context.Context, st *stored, at string) (providers []ports.Mailer, here bool) {
	providers, full, opens := s.withRoom(st.outgoing(), s.candidates(st.outgoing()))
	switch {
	case len(providers) == 0 && full != "":
		s.holdBack(ctx, st, full, opens)
	case len(providers) == 0:
		s.Log.WarnContext(ctx, "no provider can carry an email", "email", st.message.ID, "tenant", st.message.Tenant)
		s.addUntried(st, errNoProvider)
		s.postpone(ctx, st)
	case mustSplit(st.message, providers[0]), s.mustSplitForLinks(st.message, providers[0]), s.exceedsWindow(st.message, providers[0].Name()):
		s.split(ctx, st)
	case providers[0].Name() != at:
		s.handOver(ctx, st, at, providers[0].Name())
	default:
		return providers, true
	}
	return nil, false
}

// attempt asks the first of the providers, and saves what becomes of the message.
func (s *Service) attempt(ctx context.Context, st *stored, providers []ports.Mailer) {
	to := providers[0]
	id, err := s.beginAttempt(ctx, st, to)
	if err != nil {
		s.Log.WarnContext(ctx, "attempt to send an email is not begun", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		if !fault.Is(err, fault.UnknownOutcome) { // otherwise the attempt may be stored with its room, which a repeat does not take again
			s.returnRoom(st, to.Name())
		}
		return // nothing was sent; it is retried when the lease expires
	}
	receipt, err := s.callRemembered(ctx, to, st)
	o := outcome{id, receipt, err}
	switch {
	case s.mustRepeat(st, err):
		s.awaitRepeat(ctx, st, err, 0)
		return
	case len(providers) > 1 && mayFailOver(st.message, err):
		s.failOver(ctx, st, providers[1].Name(), o)
		return
	case err == nil:
		s.drain(ctx, to)
	}
	_ = s.endAttempt(ctx, st, o) // saveOutcome logs a failure; the lease expires
	s.learnRefused(ctx, st, to.Name(), err)
}

// mayFailOver reports whether another provider may be asked: either it is proved that nothing was
// sent, for a reason specific to this provider, or the message may be sent twice.
func mayFailOver(m email.Message, err error) bool {
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

// beginAttempt makes an attempt durable before anything is sent. A message that was canceled, or
// claimed by another process in the meantime, is not sent.
func (s *Service) beginAttempt(ctx context.Context, st *stored, to ports.Mailer) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	lease := worker.LeaseOf(st.record)
	id = s.IDs.New("att")
	st.message.Status, st.message.Next = email.Sending, ""
	st.record.Queue = s.queues.Repeats(to.Name())
	begun := email.Attempt{ID: id, Provider: to.Name(), Outcome: email.Attempting, Marked: true, StartedAt: s.Clock.Now()}
	if f := to.Features(); f.KeyMemory > 0 {
		begun.Account, begun.Room = f.Account, st.room
	}
	st.message.Attempts = append(st.message.Attempts, begun)
	err = s.save(ctx, st)
	if fault.Is(err, fault.UnknownOutcome) {
		fresh, rerr := s.messages.Get(ctx, st.message.Tenant, st.message.ID)
		if rerr == nil && fresh.message.HasAttempt(id) && lease.On(fresh.record) {
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
	case o == email.RejectedMessage && mayBeSplit(st.message):
		st.message.Splitting = true
		s.retryNow(st)
		return
	case o == email.RejectedMessage, refusedEverywhere(st.outgoing(), s.Mailers):
		s.giveUp(st)
		return
	case o == email.Ambiguous && st.message.Delivery == email.AtMostOnce:
		s.giveUp(st)
		return
	}
	if now := s.Clock.Now(); !st.message.RetryAt.After(now) {
		st.message.Failures++
		wait, ok := schedule.After(st.message.Failures)
		if !ok {
			st.exhausted = true
			s.giveUp(st)
			return
		}
		st.message.RetryAt = now.Add(jitter(wait))
	}
	s.retryAt(st, latest(st.message.RetryAt, s.Clock.Now().Add(s.pause(st, after))))
	s.wait(st, o, after)
}

// pause returns how long a message is left alone whose last provider said for how long it should be: until
// that one is back, or, if that is earlier, another one that is left alone for now.
func (s *Service) pause(st *stored, after time.Duration) time.Duration {
	for _, p := range eligible(st.outgoing(), s.Mailers) {
		if err := ports.Available(p); err != nil && p.Name() != st.message.LastAttempt().Provider {
			after = min(after, retryAfter(err))
		}
	}
	return after
}

// giveUp ends a message that is not tried any more, and that nobody has canceled: failed, suppressed or
// unknown.
func (s *Service) giveUp(st *stored) { s.dequeue(st, st.message.GivenUp()) }

// postpone schedules a retry for a message that was not tried.
func (s *Service) postpone(ctx context.Context, st *stored) {
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

// errNoProvider is the failure of a message that no configured provider can carry any more.
var errNoProvider = fault.New(fault.Unsupported, "no_provider", "none of the configured providers can carry this message")

// checkFeatures returns Unsupported unless one of the providers can carry the message. No part of a
// message is ever dropped silently. The error is that of a provider that sends for the sender, if there
// is one.
func (s *Service) checkFeatures(m email.Message) error {
	if len(s.Mailers) == 0 {
		return fault.New(fault.Unavailable, "no_mail_provider", "no mail provider is configured")
	}
	var first error
	for _, mailer := range s.Mailers {
		err := carry(mailer.Features(), m)
		if err == nil {
			return nil
		}
		if first == nil || fault.From(first).Param == "from" {
			first = err
		}
	}
	return first
}

// endAttempt saves how an attempt ended, and what becomes of the message.
func (s *Service) endAttempt(ctx context.Context, st *stored, o outcome) error {
	err := s.saveOutcome(ctx, st, o, func(st *stored) {
		if !s.leaveOut(st, o) {
			s.decide(st, outcomeOf(o.err), retryAfter(o.err))
		}
	})
	if err == nil && st.message.Status == email.Queued && len(refusedByName(o.err)) > 0 {
		s.queues.Nudge(st.record.Queue)
	}
	return err
}

// saveOutcome saves how an attempt ended and, if the message was not sent, what decide makes of it.
//
// An acceptance counts no matter which process reports it, and however late. A failure only says
// that this one attempt did nothing, so it counts once, and only from the process that holds the
// claim.
func (s *Service) saveOutcome(ctx context.Context, st *stored, o outcome, decide func(*stored)) error {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	st.cause = o.err
	lease := worker.LeaseOf(st.record)
	var unchanged error
	serr := s.messages.Insisting().Update(ctx, st, func(st *stored) error {
		unchanged = s.mergeOutcome(st, lease, o, decide)
		return unchanged
	})
	switch {
	case serr != nil:
		s.Log.ErrorContext(ctx, "outcome of an email is not saved", "email", st.message.ID, "tenant", st.message.Tenant, "attempt", o.id, "error", serr)
	case unchanged != nil: // it was saved before, or came too late
		s.Log.DebugContext(ctx, "outcome of an email changes nothing", "email", st.message.ID, "attempt", o.id)
	}
	return serr
}

// outcome is how an attempt ended. Its id is empty if there was no attempt.
type outcome struct {
	id      string
	receipt email.Receipt
	err     error
}

// mergeOutcome applies an outcome to a message. It returns record.ErrUnchanged if the outcome
// changes nothing, or if it is a failure and the record no longer has the lease. An acceptance
// needs no lease, and decide is not called for it.
func (s *Service) mergeOutcome(st *stored, lease worker.Lease, o outcome, decide func(*stored)) error {
	accepted := o.id != "" && o.err == nil
	n := slices.IndexFunc(st.message.Attempts, func(a email.Attempt) bool { return a.ID == o.id })
	if !accepted && !lease.On(st.record) || n >= 0 && isEnded(st.message.Attempts[n], accepted) {
		return record.ErrUnchanged
	}
	if n >= 0 {
		setOutcome(&st.message.Attempts[n], o, s.Clock.Now())
	}
	switch {
	case !st.message.HasOutcome(email.Accepted):
		decide(st)
	case !st.message.HasOutcome(email.Attempting): // otherwise the process with that attempt ends it first
		s.dequeue(st, st.message.AcceptedStatus())
	}
	return nil
}

// isEnded reports whether an attempt has already ended, so that another outcome changes nothing.
// An acceptance still changes an attempt that ended otherwise.
func isEnded(a email.Attempt, accepted bool) bool {
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

func setOutcome(a *email.Attempt, o outcome, now time.Time) {
	a.Outcome, a.Reference, a.EndedAt, a.Code, a.Message, a.Answer, a.Room = outcomeOf(o.err), o.receipt.Reference, now, "", "", nil, nil
	if o.err != nil {
		f := fault.From(o.err)
		a.Code, a.Message, a.Answer = cmp.Or(f.Code, f.Kind.String()), f.Message, f.Answer
	}
}
