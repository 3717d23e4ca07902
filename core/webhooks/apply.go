package webhooks

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/ports"
)

// handle applies a waiting event. A record that cannot be decoded is left unchanged.
func (s *Service) handle(ctx context.Context, c ports.Claim) error {
	st, err := s.events.Decode(c.Record)
	if err == nil {
		s.apply(ctx, st)
	}
	return err
}

// apply applies a stored event and saves the outcome. After a crash between the two it is
// applied again, which changes nothing.
func (s *Service) apply(ctx context.Context, st stored) {
	r, e := &st.Record, &st.Value
	a, err := s.callApply(ctx, r.Tenant, *e)
	s.setState(r, e, err)
	r.Events = a.Events
	s.logState(ctx, *r, *e, err)
	if a.Erased && r.Index.Status != stateWaiting {
		e.erase(s.Clock.Now())
	}
	if err := s.events.Save(ctx, &st); err != nil {
		// The lease expires, and the event is applied again.
		s.Log.WarnContext(ctx, "outcome of a webhook is not saved; it is applied again", "webhook", r.ID, "error", err)
		return
	}
	if r.Index.Status == stateIgnored {
		s.Routes[r.Tenant].Ignored(e.Event)
	}
}

// loggedTries is the number of failures from which on a waiting event is logged: by then it
// arrived more than six minutes ago. Most events that arrive before their payments are applied
// before that.
const loggedTries = 5

// logState logs an event that is set aside, or has waited for long.
func (s *Service) logState(ctx context.Context, r ports.Record, e entry, err error) {
	attrs := []slog.Attr{
		slog.String("webhook", r.ID), slog.String("provider", e.Event.Provider), slog.String("type", e.Event.Type),
		slog.Int("tries", e.Tries), slog.Any("error", err),
	}
	switch {
	case r.Index.Status == stateDead:
		s.setAsideLog.Note(ctx, e.Event.Provider+"|"+e.Event.Type, attrs...)
	case r.Index.Status == stateWaiting && e.Tries >= loggedTries:
		s.Log.LogAttrs(ctx, slog.LevelWarn, "webhook cannot be applied yet; it is tried again", append(attrs, slog.Time("due", r.Due))...)
	}
}

func (s *Service) callApply(ctx context.Context, route string, e entry) (webhook.Applied, error) {
	r, ok := s.Routes[route]
	if !ok {
		return webhook.Applied{}, fault.New(fault.Unavailable, "no_such_route", "the provider of this event is not configured any more")
	}
	ctx, cancel := context.WithTimeout(ctx, applyDeadline)
	defer cancel()
	return r.Apply(ctx, e.Event)
}

// setState sets the event's state by the outcome: applied, waiting, ignored or dead.
func (s *Service) setState(r *ports.Record, e *entry, err error) {
	r.Queue, r.Owner, r.Due = "", "", time.Time{}
	r.Index.Flag, r.Index.Flagged = "", time.Time{}
	if err == nil {
		r.Index.Status = stateApplied
		return
	}
	e.Tries++
	e.Last = fault.KindOf(err).String()
	wait, ok := schedule.After(e.Tries)
	patience := s.Routes[r.Tenant].Patience
	if patience > 0 && fault.Is(err, fault.NotFound) && !s.Clock.Now().Add(wait).Before(r.Index.Created.Add(patience)) {
		r.Index.Status = stateIgnored
		return
	}
	if !ok || fault.Is(err, fault.Invalid) {
		r.Index.Status = stateDead
		r.Index.Flag, r.Index.Flagged = flagAside, s.Clock.Now()
		return
	}
	r.Index.Status = stateWaiting
	r.Index.Flag, r.Index.Flagged = flagParked, r.Index.Created
	r.Queue, r.Due = s.queues.Queue(e.Event.Provider), s.Clock.Now().Add(wait)
}
