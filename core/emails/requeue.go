package emails

import (
	"time"

	"patchbay/core/email"
)

// retryAt requeues a message for the provider that is to be asked first.
func (s *Service) retryAt(st *stored, due time.Time) {
	st.message.Next = ""
	s.enqueue(st, s.firstProvider(st.outgoing()), due)
}

// retryNow is retryAt of a message that is due: it keeps its place among those that wait for room.
func (s *Service) retryNow(st *stored) {
	s.retryAt(st, s.dueAt(st, s.firstProvider(st.outgoing())))
}

// enqueue queues a message for a provider.
func (s *Service) enqueue(st *stored, provider string, due time.Time) {
	st.message.Status = email.Queued
	s.stampRestore(&st.message)
	st.record.Queue, st.record.Owner, st.record.Due = s.queues.Queue(provider), "", s.untilExpiry(&st.message, due)
}

// setAside queues a message, whose turn it was, until a time. It does not lose its place among those that wait
// for room: it is in the other queue of the provider, and goes back if there is no room then.
func (s *Service) setAside(st *stored, provider string, until time.Time) {
	s.enqueue(st, provider, until)
	st.record.Queue = s.queues.Repeats(provider)
}

// dueAt returns the due time of a message that is to be sent now by a provider: at one with a Rate the oldest
// goes first.
func (s *Service) dueAt(st *stored, provider string) time.Time {
	if s.queues.budgets[provider] != nil {
		return st.message.Date()
	}
	return s.Clock.Now()
}
