package mailroom

import (
	"context"
	"time"
)

// places are those of messages that are sent at once, by provider. What is sent from
// a provider's queue has places of its own, the worker's.
type places map[string]chan struct{}

// take takes a place at a provider, where one is free.
func (p places) take(provider string) bool {
	select {
	case p[provider] <- struct{}{}:
		return true
	default: // also where there is no such provider
		return false
	}
}

func (p places) release(provider string) { <-p[provider] }

// dispatch sends a message that has a place at a provider, and lets the worker see
// any other.
func (s *Service) dispatch(ctx context.Context, st stored, provider string, placed bool) {
	if !placed {
		s.queues.Nudge(st.record.Queue)
		return
	}
	if st.message.Parts > 0 {
		st.files = nil // they are read again when there is room for them
	}
	background := context.WithoutCancel(ctx)
	s.running.Go("mail", func() {
		defer s.places.release(provider)
		s.send(background, st, provider)
	})
}

// stepBack puts a message into the queue again for which there is no memory.
func (s *Service) stepBack(ctx context.Context, st *stored, at string) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.waitFor(st, at, s.Clock.Now().Add(roomPatience))
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "email is not put off", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	}
}

// pass lets a message be sent at a provider other than that in whose place this runs.
func (s *Service) pass(ctx context.Context, st *stored, next string) {
	s.moveOn(ctx, st, next, func(move func(*stored)) error {
		if move(st); st.record.Owner != "" {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, saveDeadline)
		defer cancel()
		err := s.save(ctx, st)
		if err != nil {
			s.Log.WarnContext(ctx, "email is not passed on", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
		}
		return err
	})
}

// moveOn takes a message to another provider: into a place there, or else into its
// queue, so that it holds none of this one's. What it does not save comes again when
// the lease runs out. save may find that the message goes nowhere any more.
func (s *Service) moveOn(ctx context.Context, st *stored, next string, save func(move func(*stored)) error) {
	ours, placed := claimOf(st.record), s.places.take(next)
	err := save(func(st *stored) {
		st.message.Next = next
		if !placed {
			s.waitFor(st, next, s.Clock.Now())
		}
		if !placed && s.queues.Provider(st.record.Queue) == "" {
			st.record.Due = st.record.Due.Add(time.Second) // it comes here again
		}
	})
	switch {
	case placed && (err != nil || !ours.holds(st.record)):
		s.places.release(next)
	case err == nil:
		s.dispatch(ctx, *st, next, placed)
	}
}
