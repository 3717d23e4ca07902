package mailroom

import (
	"context"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/message"
	"patchbay/ports"
)

// handle sends a message that was waiting. If an attempt was under way when its
// process died, nobody knows whether it went out.
func (s *Service) handle(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	m := &st.message
	if n := len(m.Attempts); n > 0 && m.Attempts[n-1].Outcome == message.Attempting {
		lost := fault.New(fault.UnknownOutcome, "interrupted", "the process ended during this attempt")
		_ = s.conclude(ctx, &st, m.Attempts[n-1].ID, message.Receipt{}, lost) // logged there; the lease runs out
		return nil
	}
	if s.outdated(st.message) {
		_ = s.settle(ctx, &st, "", message.Receipt{}, nil, func(st *stored) { s.park(st, message.Unknown) }) // as above
		return nil
	}
	s.send(ctx, st, s.queues.Provider(c.Queue))
	return nil
}

// restored is the last time that an older copy of the journal was put in its place.
func (s *Service) restored() (at time.Time, known bool) {
	if s.Restored == nil {
		return time.Time{}, true
	}
	return s.Restored()
}

// note keeps with a message that is to be sent which restore of the journal that is after.
func (s *Service) note(m *message.Message) {
	m.Restore = nil
	if at, known := s.restored(); known {
		m.Restore = &at
	}
}

// outdated reports whether a message may have gone out in the time that a journal
// which was put back does not know of, and must not go out again. When it was put back is
// compared with the message's own times only where there is nothing else: the clock of the
// machine on which that was done may be wrong.
func (s *Service) outdated(m message.Message) bool {
	at, known := s.restored()
	switch {
	case !known || m.Delivery != message.AtMostOnce:
		return false
	case m.Restore != nil:
		return !m.Restore.Equal(at)
	}
	return !at.IsZero() && m.UpdatedAt.Before(at) && earliest(m).Before(at)
}

// earliest is when a message that waits was due, or sooner.
func earliest(m message.Message) time.Time {
	due := m.CreatedAt
	if m.SendAt.After(due) {
		due = m.SendAt
	}
	n := len(m.Attempts)
	if wait, ok := schedule.After(m.Failures); ok && n > 0 && m.Failures > 0 {
		due = m.Attempts[n-1].EndedAt.Add(wait - wait/10) // the least that jitter makes of it
	}
	return due
}

// send tries the next provider, if it is the one at which this runs in a place, and
// decides what becomes of the message. st is claimed by this process.
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
		return // else the lease runs out
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
		return // nothing was sent; the lease runs out, and it is tried again
	}
	receipt, serr := call(ctx, route[0], st.letter())
	if len(route) > 1 && mayMoveOn(st.message, serr) {
		s.moveOn(ctx, &st, route[1].Name(), func(move func(*stored)) error {
			return s.settle(ctx, &st, id, receipt, serr, move)
		})
		return
	}
	_ = s.conclude(ctx, &st, id, receipt, serr) // logged there; the lease runs out
}

// route lists the providers to ask, without those that the message has moved on from.
func (s *Service) route(m message.Message) []ports.Mailer {
	from := slices.IndexFunc(s.Mailers, func(p ports.Mailer) bool { return p.Name() == m.Next })
	if rest := able(m, s.Mailers[max(from, 0):]); len(rest) > 0 {
		return rest
	}
	return able(m, s.Mailers)
}

// willing lists those providers that can carry the message, and have not refused it.
func willing(m message.Message, mailers []ports.Mailer) []ports.Mailer {
	return slices.DeleteFunc(slices.Clone(mailers), func(p ports.Mailer) bool {
		return p.Features().Carry(m) != nil || m.RefusedBy(p.Name())
	})
}

// refusedEverywhere reports whether each provider that can carry the message has refused
// it, so that there is nobody to wait for.
func refusedEverywhere(m message.Message, mailers []ports.Mailer) bool {
	refused := slices.ContainsFunc(mailers, func(p ports.Mailer) bool { return m.RefusedBy(p.Name()) })
	return refused && len(willing(m, mailers)) == 0
}

// able lists the willing providers without those that say that they would refuse now,
// unless all do.
func able(m message.Message, mailers []ports.Mailer) []ports.Mailer {
	able := willing(m, mailers)
	ready := slices.DeleteFunc(slices.Clone(able), func(p ports.Mailer) bool { return ports.Available(p) != nil })
	if len(ready) == 0 {
		return able
	}
	return ready
}

// first is the provider that a message goes to first, "" where none can carry it.
func (s *Service) first(m message.Message) string {
	if able := able(m, s.Mailers); len(able) > 0 {
		return able[0].Name()
	}
	return ""
}

// mayMoveOn reports whether another provider may be asked: it is proved that
// nothing went out, for a reason that is this one's own, or the message may go
// out twice.
func mayMoveOn(m message.Message, err error) bool {
	if err == nil {
		return false
	}
	kind := fault.KindOf(err)
	if outcomeOf(err) == message.Ambiguous {
		return m.Delivery == message.AtLeastOnce
	}
	return kind.Rule().Failover || kind == fault.NotFound || kind == fault.Unsupported
}

func call(ctx context.Context, mailer ports.Mailer, m message.Message) (message.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptDeadline)
	defer cancel()
	return mailer.Send(ports.WithTenant(ctx, m.Tenant), m)
}

// begin makes an attempt durable before anything is sent. A message that was
// canceled, or that another process has claimed meanwhile, is not sent.
func (s *Service) begin(ctx context.Context, st *stored, provider string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	ours := claimOf(st.record)
	id = s.IDs.New("att")
	st.message.Status, st.message.Next = message.Sending, ""
	st.message.Attempts = append(st.message.Attempts, message.Attempt{
		ID: id, Provider: provider, Outcome: message.Attempting, Marked: true, StartedAt: s.Clock.Now(),
	})
	err = s.save(ctx, st)
	if fault.Is(err, fault.UnknownOutcome) {
		fresh, rerr := s.load(ctx, st.message.Tenant, st.message.ID)
		if rerr == nil && fresh.message.Attempted(id) && ours.holds(fresh.record) {
			st.become(fresh)
			return id, nil
		}
	}
	return id, err
}

// decide says what becomes of a message that its last attempt has not sent.
func (s *Service) decide(st *stored, o message.Outcome, after time.Duration) {
	switch {
	case o == message.RejectedMessage, refusedEverywhere(st.message, s.Mailers):
		s.park(st, message.Failed)
		return
	case o == message.Ambiguous && st.message.Delivery == message.AtMostOnce:
		s.park(st, message.Unknown)
		return
	}
	st.message.Failures++
	wait, ok := schedule.After(st.message.Failures)
	if !ok {
		st.aside = true
		s.park(st, message.Failed)
		return
	}
	s.wait(st, s.Clock.Now().Add(max(jitter(wait), after)))
}

// strand notes that a message could be tried nowhere, as an attempt at no provider.
func (s *Service) strand(st *stored) {
	a := message.Attempt{ID: s.IDs.New("att"), StartedAt: s.Clock.Now()}
	finish(&a, message.Receipt{}, errStranded, a.StartedAt)
	st.message.Attempts = append(st.message.Attempts, a)
}

// putOff tries a message again later that was not tried.
func (s *Service) putOff(ctx context.Context, st *stored) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.decide(st, message.NotAccepted, 0)
	if err := s.save(ctx, st); err != nil {
		s.Log.ErrorContext(ctx, "email is not put off", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	}
}
