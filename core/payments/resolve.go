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
	// retryFor is how long an accepted operation that did nothing is tried again.
	retryFor = 15 * time.Minute
)

// lookupAges are the ages, since the first lookup that the provider answered, at which an
// unknown outcome is investigated again. After the last one that happens daily, without
// end. An unknown outcome never becomes a failure by age alone.
var lookupAges = []time.Duration{
	10 * time.Second, 70 * time.Second, 370 * time.Second, absentAfter + time.Second,
}

// nextLookup returns the wait after a lookup that was answered, at an age since the first one.
// lag is how long the provider takes to show what it has done.
func nextLookup(age, lag time.Duration) time.Duration {
	for i, m := range lookupAges {
		if i == len(lookupAges)-1 {
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
	// minLookupRetry is the first wait after a lookup that was not answered, and
	// maxLookupRetry the longest.
	minLookupRetry, maxLookupRetry = 5 * time.Second, 45 * time.Second
	// maxRetryAfter bounds the RetryAfter of a provider for lookups: unknown outcomes need few
	// calls, and somebody is waiting for them.
	maxRetryAfter = 15 * time.Second
	// minLookupInterval is the minimum time between lookups that are caused by reads of the
	// payment.
	minLookupInterval = 30 * time.Second
	// otherAccountWait is the wait if the provider's name now means another account.
	otherAccountWait = time.Hour
	// hiddenWait is the wait if the provider cannot show what it has made.
	hiddenWait = 24 * time.Hour
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
	st.clockAhead = c.Due.Add(-lease).Sub(s.Clock.Now())
	op := st.payment.Open()
	if op != nil && op.Request.Made == nil && op.KnownSince.Before(s.restoredAt()) {
		// The operation is open in a restored copy of the store. It may have ended since,
		// even with a refusal that its caller has got. So the call is not repeated.
		op.Outcome, op.Unsure, op.Stale = payment.Unknown, true, true
	}
	switch {
	case op == nil:
		err = s.save(ctx, &st) // which puts it into closedQueue
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
	var began tryID
	err := s.saveOutcome(ctx, &st, func(st *stored) error {
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
			switch {
			case fault.Is(err, fault.Unavailable) || op.Request.Made != nil: // an intent that exists is not given up
				s.postpone(st, op)
			case err == errGivenUp: //nolint:errorlint // our own sentinel, returned as it is
				end(p, op)
			default:
				refuse(op, fault.From(err))
				end(p, op)
			}
			return nil
		}
		open := p.Open()
		open.AcceptedAt = before.AcceptedAt
		began = tryOf(open)
		next = began.id
		s.hold(st)
		return nil
	})
	if err != nil || next == "" {
		return err
	}
	var to reply
	to.Store(replyEarly)
	_, _ = s.execute(ctx, st, next, &to) // the result is saved in the payment
	return nil
}

// errGivenUp reports that the time of an accepted operation has passed. The operation ends with
// its last refusal, so that the caller may ask for it again.
var errGivenUp = errors.New("given up")

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
		if made, err = s.existingIntent(p.ID); err != nil {
			return err
		}
	}
	if made == nil && !s.Clock.Now().Before(s.triedUntil(p, op)) {
		return errGivenUp
	}
	op.Outcome = payment.NotExecuted
	if op.Action == payment.Create || op.Action == payment.Confirm {
		p.Status = payment.RequiresConfirmation
	}
	return s.resume(p, op)
}

// triedUntil returns when an accepted operation that did nothing is given up.
func (s *Service) triedUntil(p *payment.Payment, op *payment.Operation) time.Time {
	until := op.AcceptedAt.Add(retryFor)
	if op.Creates() && !p.ExpiresAt.IsZero() && p.ExpiresAt.Before(until) {
		until = p.ExpiresAt
	}
	return until
}

// investigate finds out what became of an operation. At first it repeats the call under its
// key. Later it looks the operation up first. Once the provider may have forgotten the key,
// that is all that it does. A
// repeat alone is not enough: Stripe, for example, repeats the 500 that it answered.
func (s *Service) investigate(ctx context.Context, st stored, id string) error {
	working, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	p, op := st.payment, *st.payment.Operation(id)
	op.Stale = op.Stale || s.keyForgotten(op) || op.Creates() && s.expired(p)
	var a answer
	ours, try := worker.LeaseOf(st.record), tryOf(&op)
	made, err := s.unadoptedIntent(&p, &op)
	if err == nil {
		_, err = s.gatewayFor(op)
	}
	switch {
	case err != nil:
		a.err = err
	case made == nil:
		a = s.findOut(working, p, op)
	}
	st.cause = a.err
	err = s.saveOutcome(ctx, &st, func(st *stored) error {
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
		s.applyAnswer(st, now, a, held)
		if held && now.Outcome == payment.Unknown {
			s.reschedule(st, now, a)
		}
		return nil
	})
	if fault.From(err).Code == codeForeign && err != nil {
		s.reviewForeign(ctx, &st, id)
		return nil
	}
	return err
}

// reviewForeign marks a payment for review if the provider answered an operation with an object
// that belongs to another payment.
func (s *Service) reviewForeign(ctx context.Context, st *stored, id string) {
	err := s.saveOutcome(ctx, st, func(st *stored) error {
		if op := st.payment.Operation(id); op != nil && op.Outcome.Open() {
			op.Outcome, op.Unsure = payment.Unknown, true
			st.payment.Review(payment.ReviewForeign, id, s.Clock.Now())
			s.release(st, s.Clock.Now().Add(otherAccountWait))
		}
		return nil
	})
	if err != nil {
		s.logUnsaved(ctx, &st.payment, id, err)
	}
}

// findOut tries the ways that are still possible, until one shows the outcome. If the
// payment's intent is known, only that intent is read: it may not have been made under the
// operation's key.
func (s *Service) findOut(ctx context.Context, p payment.Payment, op payment.Operation) answer {
	if made := op.Request.Made; made != nil && made.Provider == op.Provider {
		return s.call(ctx, p, op)
	}
	if !op.Stale && op.Lookups == 0 {
		if a := s.call(ctx, p, op); a.proves() {
			return a
		}
	}
	found := s.lookUp(ctx, p, op)
	if found.proves() || op.Stale || op.Lookups == 0 {
		return found
	}
	if a := s.call(ctx, p, op); a.proves() {
		a.answered, a.at = found.answered, found.at
		return a
	}
	return found
}

// expired reports whether it is too late to create the payment. An intent that may have been
// created is still looked for.
func (s *Service) expired(p payment.Payment) bool {
	return !p.ExpiresAt.IsZero() && !s.Clock.Now().Before(p.ExpiresAt)
}

// keyForgotten reports whether the provider may have forgotten the key of an operation. If the clock
// was set back, the key counts as forgotten, too.
func (s *Service) keyForgotten(op payment.Operation) bool {
	fresh := replayFor
	if g, ok := s.gateway(op.Provider); ok {
		fresh = min(fresh, g.Capabilities().Keys.Kept-keyMargin)
	}
	age := s.Clock.Now().Sub(op.LastTry())
	return fresh <= 0 || age >= fresh || age < -time.Minute
}

// reschedule sets when an operation is looked for next, after the attempt that a is the answer
// of. Only a lookup that the provider answered counts.
func (s *Service) reschedule(st *stored, op *payment.Operation, a answer) {
	now := s.Clock.Now()
	since := now.Sub(op.LastTry())
	if since > reviewAfter {
		st.payment.Review(payment.ReviewUnknown, op.ID, now)
	}
	var wait time.Duration
	switch code := fault.From(a.err).Code; {
	case code == CodeRestored: // it takes only seconds if the providers answer
		wait = minLookupRetry
	case code == codeAccount:
		st.payment.Review(payment.ReviewOtherAccount, op.ID, now)
		wait = otherAccountWait
	case code == codeHidden && op.Stale: // only an event or a person can end it
		st.payment.Review(payment.ReviewUnknown, op.ID, now)
		wait = hiddenWait
	case !a.answered:
		wait = min(max(minLookupRetry, since/10, min(fault.From(a.err).RetryAfter, maxRetryAfter)), maxLookupRetry)
	default:
		op.Lookups++
		if op.LookedAt.IsZero() {
			op.LookedAt = a.at
		}
		op.SeenAt = a.at
		lag := time.Duration(0)
		if g, ok := s.gateway(op.Provider); ok {
			lag = g.Capabilities().Lookup.Lag
		}
		wait = nextLookup(a.at.Sub(op.LookedAt), lag)
	}
	s.release(st, now.Add(wait))
}

// hasten has the open operation of a payment investigated now, because somebody has read the
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
	case !st.record.Due.After(now.Add(minLookupRetry)), now.Sub(st.payment.UpdatedAt) < minLookupInterval, !s.available(op.Provider):
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
