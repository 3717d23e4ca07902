package emails

import (
	"errors"

	"patchbay/core/email"
)

// refusedByName returns the recipients whom a provider refused by name at an attempt with this error. Such
// an attempt is known to have sent nothing.
func refusedByName(err error) (named email.RefusedRecipients) {
	if err != nil && outcomeOf(err) == email.RejectedMessage {
		errors.As(err, &named)
	}
	return named
}

// leaveOut ends the recipients whom a provider has refused by name at the attempt, and queues the message
// at once for the others at the same provider. It reports whether there was anybody to leave out, so that
// every attempt that it queues is for fewer recipients.
func (s *Service) leaveOut(st *stored, o outcome) bool {
	m, now := &st.message, s.Clock.Now()
	provider, out := m.ProviderOf(o.id), map[int]email.Notification{}
	for _, r := range refusedByName(o.err) {
		n := email.Notification{Event: email.EventBounced, Code: r.Code, At: now}
		if m.ErasedAt.IsZero() && !m.Keeping.Brief() { // the feed is kept forever, and it may quote what is not
			n.Reason = m.Redact(r.Reason)
		}
		for i := range m.Recipients {
			fate := email.Fate{Attempt: o.id, Event: n.Event, Code: n.Code, Reason: n.Reason, At: n.At}
			if s.isAddress(m.Recipients[i], r.Email) && m.Recipients[i].Refuse(fate) {
				out[i] = n
			}
		}
	}
	switch {
	case len(out) == 0:
		return false
	case m.AnyLeft():
		m.Next = provider
		s.enqueue(st, provider, s.dueAt(st, provider))
	default:
		s.giveUp(st)
	}
	for i := range m.Recipients {
		if n, refused := out[i]; refused {
			st.events = append(st.events, s.recipientEvents(m, n, o.id, []int{i})...)
		}
	}
	return true
}
