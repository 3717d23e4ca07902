package emails

import (
	"context"
	"slices"
	"sync"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	// maxBacklog is how many waiting messages a process remembers. Those beyond are retried by the
	// schedule alone.
	maxBacklog = 10_000
	// drainPace is the time between two messages that are made due, so that a provider that has just
	// recovered is not overrun.
	drainPace = 10 * time.Millisecond
)

// backlog is the messages that wait for their next attempt after a failed one, so that they are sent
// once a provider works again rather than when the schedule says. It is lost with the process; the
// schedule remains.
type backlog struct {
	mu       sync.Mutex
	waiting  map[waiting]time.Time // the date of each
	advanced map[waiting]int       // how often each was made due before its time
	draining bool
}

// waiting identifies a message.
type waiting struct{ tenant, id string }

// add remembers a message that waits.
func (b *backlog) add(m *email.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = map[waiting]time.Time{}
	}
	if len(b.waiting) < maxBacklog {
		b.waiting[waiting{m.Tenant, m.ID}] = m.Date()
	}
}

// take returns the messages that wait, the oldest first, unless they are being drained already. done
// must be called afterwards.
func (b *backlog) take() (all []waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining || len(b.waiting) == 0 {
		return nil
	}
	b.draining = true
	for w := range b.waiting {
		all = append(all, w)
	}
	slices.SortFunc(all, func(one, other waiting) int { return b.waiting[one].Compare(b.waiting[other]) })
	return all
}

func (b *backlog) forget(w waiting) { b.mu.Lock(); delete(b.waiting, w); b.mu.Unlock() }

// mayAdvance reports whether a message whose last attempt was so long ago may be made due before its
// time. Once it was, and failed again, the cause may be the message itself: then it must wait longer
// each time, although others are accepted.
func (b *backlog) mayAdvance(w waiting, since time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return since >= time.Duration(b.advanced[w])*repeatPace
}

func (b *backlog) advance(w waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.advanced == nil || len(b.advanced) >= maxBacklog {
		b.advanced = map[waiting]int{}
	}
	b.advanced[w]++
}

// takeBack makes up for an advance that led to no attempt.
func (b *backlog) takeBack(w waiting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.advanced[w] > 0 {
		b.advanced[w]--
	}
}

func (b *backlog) done() { b.mu.Lock(); b.draining = false; b.mu.Unlock() }

// wait remembers that a message waits after its last attempt, unless the provider said how long. What an
// open breaker skipped was not tried, and so says nothing of the message.
func (s *Service) wait(st *stored, o email.Outcome, after time.Duration) {
	skipped := st.cause != nil && fault.From(st.cause).Skipped
	if skipped {
		s.backlog.takeBack(waiting{st.message.Tenant, st.message.ID})
	}
	if (after == 0 || skipped) && (o == email.NotAccepted || o == email.ProviderUnusable || o == email.Ambiguous) {
		s.backlog.add(&st.message)
	}
}

// drain makes the messages due that wait and that the provider, which has just accepted one, can
// carry. It stops when the provider is no longer available.
func (s *Service) drain(ctx context.Context, p ports.Mailer) {
	all := s.backlog.take()
	if len(all) == 0 {
		return
	}
	background := context.WithoutCancel(ctx)
	s.running.Go("backlog", func() {
		defer s.backlog.done()
		pace := time.NewTicker(drainPace)
		defer pace.Stop()
		for _, w := range all {
			if ports.Available(p) != nil {
				return
			}
			if s.makeDue(background, w, p) {
				<-pace.C
			}
		}
	})
}

// makeDue makes one message due if it still waits. It is claimed before younger ones.
func (s *Service) makeDue(ctx context.Context, w waiting, p ports.Mailer) (due bool) {
	ctx, cancel := context.WithTimeout(ctx, saveDeadline)
	defer cancel()
	st, err := s.messages.Get(ctx, w.tenant, w.id)
	if err != nil {
		s.backlog.forget(w) // the schedule remains
		return false
	}
	m := &st.message
	if m.Status == email.Sending {
		return s.repeatNow(ctx, w, &st, p)
	}
	if m.Status == email.Queued && m.Failures > 0 && (carry(p.Features(), *m) != nil || m.RefusedBy(p.Name())) {
		return false // another provider must recover
	}
	if !s.backlog.mayAdvance(w, s.Clock.Now().Sub(m.UpdatedAt)) {
		return false
	}
	s.backlog.forget(w)
	err = s.messages.Update(ctx, &st, func(st *stored) error {
		// What may have been sent since an older copy of the journal is left to its claim, which sees that.
		if s.possiblySent(st.message) || st.message.Status != email.Queued || st.message.Failures == 0 || st.record.Owner != "" || !st.record.Due.After(s.Clock.Now()) {
			return record.ErrUnchanged
		}
		st.message.Next = p.Name() // those before it may be as they were
		s.enqueue(st, p.Name(), st.message.Date())
		due = true
		return nil
	})
	if err != nil || !due {
		return false // the schedule remains
	}
	s.backlog.advance(w)
	s.queues.Nudge(st.record.Queue)
	return true
}
