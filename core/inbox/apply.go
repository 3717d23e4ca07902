package inbox

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// handle applies an event that was waiting. One that cannot be decoded stays as it came.
func (s *Service) handle(ctx context.Context, c ports.Claim) error {
	e, err := decode(c.Record)
	if err == nil {
		s.apply(ctx, c.Record, e)
	}
	return err
}

// apply takes a stored event in and saves what became of it. A crash between
// the two applies it again, which changes nothing.
func (s *Service) apply(ctx context.Context, r ports.Record, e entry) {
	erased, err := s.try(ctx, r.Tenant, e)
	s.settle(&r, &e, err)
	if r.Index.Status == stateDead {
		s.Log.ErrorContext(ctx, "webhook is set aside", "webhook", r.ID, "type", e.Event.Type, "tries", e.Tries, "error", err)
	}
	if erased && r.Index.Status != stateWaiting {
		if err := e.erase(&r, s.Clock.Now()); err != nil {
			s.Log.ErrorContext(ctx, "webhook is not erased", "webhook", r.ID, "error", err)
		}
	}
	if err := s.Journal.Save(ctx, &r)[0]; err != nil {
		// The lease runs out, and the event is applied again.
		s.Log.WarnContext(ctx, "outcome of a webhook is not saved; it is applied again", "webhook", r.ID, "error", err)
	}
}

func (s *Service) try(ctx context.Context, route string, e entry) (erased bool, err error) {
	r, ok := s.Routes[route]
	if !ok {
		return false, fault.New(fault.Unavailable, "no_such_route", "the provider of this event is not configured any more")
	}
	ctx, cancel := context.WithTimeout(ctx, applyDeadline)
	defer cancel()
	return r.Apply(ctx, e.Event)
}

// settle decides by the outcome whether the event is done, waits, or is dead.
func (s *Service) settle(r *ports.Record, e *entry, err error) {
	r.Queue, r.Owner, r.Due = "", "", time.Time{}
	if err == nil {
		r.Index.Status = stateApplied
		return
	}
	e.Tries++
	e.Last = fault.KindOf(err).String()
	_ = e.encode(r) // an entry can always be encoded
	wait, ok := schedule.After(e.Tries)
	if !ok || fault.Is(err, fault.Invalid) {
		r.Index.Status = stateDead
		return
	}
	r.Index.Status = stateWaiting
	r.Queue, r.Due = s.queues.Queue(e.Event.Provider), s.Clock.Now().Add(wait)
}
