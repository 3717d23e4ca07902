package emails

import (
	"context"
	"time"

	"patchbay/core/worker"
)

// dispatch sends a message that has a place at a provider; for any other it wakes the worker of
// the queue. The batch of the message may have been canceled since it was claimed.
func (s *Service) dispatch(ctx context.Context, st stored, provider string, placed bool) {
	if !placed {
		s.queues.Nudge(st.record.Queue)
		return
	}
	if st.message.Parts > 0 {
		st.files = nil // they are read again once there is memory for them
	}
	background := context.WithoutCancel(ctx)
	s.running.Go("mail", func() {
		defer s.places.Release(provider)
		if ready, _ := s.isReady(background, &st); ready { // it logs an error
			s.send(background, st, provider)
		}
	})
}

// waitForMemory requeues a message for which there is not enough memory.
func (s *Service) waitForMemory(ctx context.Context, st *stored, at string) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	s.setAside(st, at, s.Clock.Now().Add(memoryWait))
	if err := s.save(ctx, st); err != nil {
		s.Log.WarnContext(ctx, "email is not put off", "email", st.message.ID, "tenant", st.message.Tenant, "error", err)
	}
}

// handOver hands a message to another provider than the one whose place this goroutine holds. It is counted if
// that one has no room.
func (s *Service) handOver(ctx context.Context, st *stored, at, next string) {
	if b := s.queues.budgets[at]; b != nil {
		if n, _ := b.room(st.message.Date()); n < recipientsOf(st.outgoing()) {
			s.HeldBack(at)
		}
	}
	s.failOver(ctx, st, next, func(move func(*stored)) error {
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

// failOver moves a message to another provider: into a place there if one is free, else into its
// queue, so that it no longer holds a place of this one. If the save fails, the message comes
// back when the lease expires. save may also decide that the message is not sent any further.
func (s *Service) failOver(ctx context.Context, st *stored, next string, save func(move func(*stored)) error) {
	lease, placed := worker.LeaseOf(st.record), s.takePlace(next)
	err := save(func(st *stored) {
		st.message.Next = next
		if !placed {
			s.enqueue(st, next, s.dueAt(st, next))
		}
		if !placed && s.queues.Provider(st.record.Queue) == "" {
			st.record.Due = st.record.Due.Add(time.Second) // no such provider: delay it, since it comes back to this queue
		}
	})
	switch {
	case placed && (err != nil || !lease.On(st.record)):
		s.places.Release(next)
	case err == nil:
		s.dispatch(ctx, *st, next, placed)
	}
}
