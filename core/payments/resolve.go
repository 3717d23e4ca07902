package payments

import (
	"context"
	"errors"
	"time"

	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	// replayFor is how long a call may be repeated under its key, if its provider remembers
	// the key for as long. Later the customer may have left.
	replayFor = 15 * time.Minute
	// keyMargin is how long before its provider forgets a key the key counts as forgotten: the
	// clocks of two gateways may differ, and a repeat takes its time.
	keyMargin = 15*time.Minute + callDeadline
	// absentAfter is how long an operation must not be found before it counts as not
	// executed, beside the time that its provider takes to show it.
	absentAfter = time.Hour
	// triedFor is how long an accepted operation that did nothing is tried again.
	triedFor = 15 * time.Minute
)

// milestones are the ages, since the first look that the provider answered, at which an
// unknown outcome is looked into again. After the last one it is looked into daily, without
// end. An unknown outcome never becomes a failure by age alone.
var milestones = []time.Duration{
	10 * time.Second, 70 * time.Second, 370 * time.Second, absentAfter + time.Second,
}

// nextLook returns the wait after a look that was answered, at an age since the first one.
// lag is how long the provider takes to show what it has done.
func nextLook(age, lag time.Duration) time.Duration {
	for i, m := range milestones {
		if i == len(milestones)-1 {
			m += lag
		}
		if m > age {
			return m - age
		}
	}
	return 24 * time.Hour
}

const (
	// reviewAfter is how long after the call a review is requested, too.
	reviewAfter = 5 * 24 * time.Hour
	// blind is the first wait after a look that was not answered, and blindest the longest.
	blind, blindest = 5 * time.Second, 45 * time.Second
	// patience bounds the RetryAfter of a provider for looks: unknown outcomes need few
	// calls, and somebody is waiting for them.
	patience = 15 * time.Second
	// hastened is the minimum time between looks that are caused by reads of the payment.
	hastened = 30 * time.Second
	// elsewhere is the wait if the provider's name now means another account.
	elsewhere = time.Hour
	// hidden is the wait if the provider cannot show what it has made.
	hidden = 24 * time.Hour
)

// retries is the schedule by which an accepted operation that did nothing is tried again.
// The last entry applies to all further tries.
var retries = worker.Backoff{5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// resolve ends the open operation of a payment, or postpones it.
func (s *Service) resolve(ctx context.Context, c ports.Claim) error {
	st, err := decode(c.Record)
	if err != nil {
		return err
	}
	st.ahead = c.Due.Add(-lease).Sub(s.Clock.Now())
	op := st.payment.Open()
	if op != nil && op.Request.Made == nil && op.KnownSince.Before(s.restoredAt()) {
		// The operation is open in a restored copy of the store. It may have ended since,
		// even with a refusal that its caller was told. So the call is not repeated.
		op.Outcome, op.Unsure, op.Stale = payment.Unknown, true, true
	}
	switch {
	case op == nil:
		err = s.save(ctx, &st) // which puts it into restQueue
		if fault.Is(err, fault.Conflict) {
			err = nil
		}
	case op.Outcome == payment.Waiting:
		err = s.retry(ctx, st, op.ID)
	default:
		// The process that worked on it has stopped, possibly during a call.
		op.Outcome, op.Unsure = payment.Unknown, true
		err = s.investigate(ctx, st, op.ID)
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "outcome of a payment is not saved", "payment", c.ID, "tenant", c.Tenant, "error", err)
	}
	return nil
}

// retry tries an accepted operation that did nothing again, until its time has passed.
func (s *Service) retry(ctx context.Context, st stored, id string) error {
	ours := worker.LeaseOf(st.record)
	var next string
	var began mark
	saving, cancel := context.WithTimeout(ctx, lease-callDeadline)
	defer cancel()
	err := s.insist(saving, &st, func(st *stored) error {
		p, op := &st.payment, st.payment.Operation(id)
		if began.in(p) && p.Operation(began.id).Outcome == payment.Calling {
			return nil
		}
		next = ""
		if op == nil || op.Outcome != payment.Waiting || !ours.On(st.record) {
			return nil
		}
		before := *op
		err := s.restart(p, op)
		if op = p.Operation(id); err != nil {
			*op = before
			if fault.Is(err, fault.Unavailable) || op.Request.Made != nil { // an intent that exists is not given up
				s.postpone(st, op)
			} else {
				s.end(p, op, why(err))
			}
			return nil
		}
		open := p.Open()
		open.AcceptedAt = before.AcceptedAt
		began = markOf(open)
		next = began.id
		s.hold(st)
		return nil
	})
	if err != nil || next == "" {
		return err
	}
	told := &reply{early: true}
	_, _ = s.execute(ctx, st, next, told) // the result is saved in the payment
	return nil
}

// givenUp reports that the time of an accepted operation has passed. The operation ends with
// its last refusal, so that the caller may ask for it again.
type givenUp struct{ last *fault.Error }

func (g *givenUp) Error() string { return "given up: " + g.last.Error() }

// why returns the error with which an operation ends that is not tried again.
func why(err error) *fault.Error {
	var over *givenUp
	if errors.As(err, &over) {
		return over.last
	}
	return fault.From(err)
}

// restart begins a further try in the background. An error means that there is none;
// Unavailable means that there may be one later. While the payment waits for the operation
// its status is processing, so restart sets a status from which the operation can begin.
func (s *Service) restart(p *payment.Payment, op *payment.Operation) error {
	if p.Status.Terminal() && (op.Action == payment.Create || op.Action == payment.Confirm) {
		return unexpected(p, "confirmed")
	}
	made := op.Request.Made
	if op.Creates() && made == nil {
		var err error
		if made, err = s.madeBefore(p.ID); err != nil {
			return err
		}
	}
	if made == nil && !s.Clock.Now().Before(s.triedUntil(p, op)) {
		last := failure(payment.Operation{Kind: op.Kind, Error: op.Error, Action: op.Action, Provider: op.Provider, Outcome: payment.NotExecuted})
		return &givenUp{fault.From(last)}
	}
	op.Outcome = payment.NotExecuted
	if op.Action == payment.Create || op.Action == payment.Confirm {
		p.Status = payment.RequiresConfirmation
	}
	return s.resume(p, op)
}

// triedUntil returns when an accepted operation that did nothing is given up.
func (s *Service) triedUntil(p *payment.Payment, op *payment.Operation) time.Time {
	until := op.AcceptedAt.Add(triedFor)
	if op.Creates() && !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(until) {
		until = p.ExpiresAt
	}
	return until
}

// investigate finds out what became of an operation. At first it repeats the call under its
// key. Later it looks first. Once the provider may have forgotten the key, it only looks. A
// repeat alone is not enough: Stripe, for example, repeats the 500 that it answered.
func (s *Service) investigate(ctx context.Context, st stored, id string) error {
	working, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	p, op := st.payment, *st.payment.Operation(id)
	op.Stale = op.Stale || s.aged(op) || op.Creates() && s.expired(p)
	var a answer
	var l sight
	ours, try := worker.LeaseOf(st.record), markOf(&op)
	made, err := s.madeUnseen(&p, &op)
	if err == nil {
		_, err = s.asked(op)
	}
	switch {
	case err != nil:
		a.err = err
	case made == nil:
		a, l = s.findOut(working, p, op)
	}
	st.cause = a.err
	saving, stop := context.WithTimeout(ctx, lease-callDeadline)
	defer stop()
	err = s.insist(saving, &st, func(st *stored) error {
		now, held := st.payment.Operation(id), ours.On(st.record) && try.in(&st.payment)
		if now == nil {
			return nil
		}
		if held && now.Outcome.Open() {
			now.Outcome, now.Unsure, now.Stale = payment.Unknown, true, op.Stale
			if now.AcceptedAt.IsZero() {
				now.AcceptedAt = s.Clock.Now()
			}
		}
		if held && now.Outcome.Open() && made != nil {
			now.Request.Made = made
			s.postpone(st, now) // the next try adopts the intent
			return nil
		}
		s.take(st, now, a, held)
		if held && now.Outcome == payment.Unknown {
			s.reschedule(st, now, l, a.err)
		}
		return nil
	})
	if fault.From(err).Code == codeForeign && err != nil {
		s.disown(ctx, &st, id)
		return nil
	}
	return err
}

// disown marks a payment for review if the provider answered an operation with an object
// that belongs to another payment.
func (s *Service) disown(ctx context.Context, st *stored, id string) {
	saving, cancel := context.WithTimeout(ctx, lease-callDeadline)
	defer cancel()
	err := s.insist(saving, st, func(st *stored) error {
		if op := st.payment.Operation(id); op != nil && op.Outcome.Open() {
			op.Outcome, op.Unsure = payment.Unknown, true
			st.payment.Review(payment.ReviewForeign, id, s.Clock.Now())
			s.release(st, s.Clock.Now().Add(elsewhere))
		}
		return nil
	})
	if err != nil {
		s.Log.ErrorContext(ctx, "outcome of a payment is not saved", "payment", st.payment.ID, "tenant", st.payment.Tenant, "operation", id, "error", err)
	}
}

// findOut tries the ways that are still possible, until one shows the outcome. If the
// payment's intent is known, only that intent is read: it may not have been made under the
// operation's key.
func (s *Service) findOut(ctx context.Context, p payment.Payment, op payment.Operation) (answer, sight) {
	if made := op.Request.Made; made != nil && made.Provider == op.Provider {
		return s.call(ctx, p, op), sight{}
	}
	var a answer
	if !op.Stale && op.Lookups == 0 {
		if a = s.call(ctx, p, op); a.proves() {
			return a, sight{}
		}
	}
	a, l := s.look(ctx, p, op)
	if a.proves() || op.Stale || op.Lookups == 0 {
		return a, l
	}
	if b := s.call(ctx, p, op); b.proves() {
		return b, l
	}
	return a, l
}

// expired reports whether it is too late to create the payment. An intent that may have been
// created is still looked for.
func (s *Service) expired(p payment.Payment) bool {
	return !p.ExpiresAt.IsZero() && !s.Clock.Now().Before(p.ExpiresAt)
}

// aged reports whether the provider may have forgotten the key of an operation. If the clock
// was set back, the key counts as forgotten, too.
func (s *Service) aged(op payment.Operation) bool {
	fresh := replayFor
	if g, ok := s.gateway(op.Provider); ok {
		fresh = min(fresh, g.Capabilities().Keys.Kept-keyMargin)
	}
	age := s.Clock.Now().Sub(op.LastTry())
	return fresh <= 0 || age >= fresh || age < -time.Minute
}

// reschedule sets when an operation is looked into next. Only a look that the provider
// answered counts.
func (s *Service) reschedule(st *stored, op *payment.Operation, l sight, err error) {
	now := s.Clock.Now()
	since := now.Sub(op.LastTry())
	if since > reviewAfter {
		st.payment.Review(payment.ReviewUnknown, op.ID, now)
	}
	switch {
	case fault.From(err).Code == CodeRestored: // it takes only seconds if the providers answer
		s.release(st, now.Add(blind))
		return
	case fault.From(err).Code == codeAccount:
		st.payment.Review(payment.ReviewOtherAccount, op.ID, now)
		s.release(st, now.Add(elsewhere))
		return
	case fault.From(err).Code == codeHidden && op.Stale: // nothing but an event or a person can tell
		st.payment.Review(payment.ReviewUnknown, op.ID, now)
		s.release(st, now.Add(hidden))
		return
	case !l.told:
		asked := min(fault.From(err).RetryAfter, patience)
		s.release(st, now.Add(min(max(blind, since/10, asked), blindest)))
		return
	}
	op.Lookups++
	if op.LookedAt.IsZero() {
		op.LookedAt = l.at
	}
	op.SeenAt = l.at
	lag := time.Duration(0)
	if g, ok := s.gateway(op.Provider); ok {
		lag = g.Capabilities().Lookup.Lag
	}
	s.release(st, now.Add(nextLook(l.at.Sub(op.LookedAt), lag)))
}

// hasten has the open operation of a payment looked into now, because somebody has read the
// payment. It does nothing if the record is claimed, or was saved just before. Errors are
// ignored, since the schedule remains. A record that an earlier version left without a
// schedule gets one.
func (s *Service) hasten(ctx context.Context, st *stored) {
	now := s.Clock.Now()
	op := st.payment.Open()
	switch lost := st.record.Queue == ""; {
	case st.record.Owner != "":
		return
	case op == nil:
		if unplanned(&st.payment, now) {
			_ = s.save(ctx, st) // save plans the next sweep
		}
		return
	case lost:
	case !st.record.Due.After(now.Add(blind)), now.Sub(st.payment.UpdatedAt) < hastened, !s.available(op.Provider):
		return
	}
	s.release(st, now)
	if s.save(ctx, st) == nil {
		s.nudge(op.Provider)
	}
}

func (s *Service) available(provider string) bool {
	g, ok := s.gateway(provider)
	return ok && ports.Available(g) == nil
}
