package email

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Event is something that happened to a message at its provider or after it, independent of the
// provider's own name for it.
type Event string

// The events. Each of them proves that the provider has accepted the message.
const (
	EventProcessed    Event = "processed" // accepted, about to be sent
	EventSent         Event = "sent"      // handed over to the recipient's server
	EventDeferred     Event = "deferred"  // the recipient's server has not accepted it yet
	EventDelivered    Event = "delivered"
	EventRejected     Event = "rejected" // the provider did not try to deliver it, for example because of its suppression list
	EventBounced      Event = "bounced"  // the recipient's server refused it, or returned it later
	EventComplained   Event = "complained"
	EventOpened       Event = "opened"
	EventClicked      Event = "clicked"
	EventUnsubscribed Event = "unsubscribed"
)

// Events lists all events.
func Events() []Event {
	return []Event{
		EventProcessed, EventSent, EventDeferred, EventDelivered, EventRejected,
		EventBounced, EventComplained, EventOpened, EventClicked, EventUnsubscribed,
	}
}

// Notification is what a provider reports about a message.
type Notification struct {
	Event Event
	// Tenant, Message and Attempt are the marks that Patchbay put on the message; see Variables.
	// Mail of an earlier version has no Tenant and no Attempt.
	Tenant, Message, Attempt string
	Reference                string // the provider's id of the message
	Recipient                string // an address; empty if it is about all recipients
	Code                     string // SMTP status or reply code: 5.1.1, or 550
	Cause                    Cause  // of EventBounced and EventRejected
	Reason                   string // in the words of the provider or the recipient's server, without addresses
	At                       time.Time
}

// Fate is what became of one copy of a message for one recipient.
type Fate struct {
	Attempt string    `json:"attempt"` // the attempt that sent the copy
	Event   Event     `json:"event"`   // deferred, delivered, rejected, bounced or complained
	Code    string    `json:"code,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"` // by the provider's clock
}

// eventOrder orders the events of one copy. Events arrive late, repeatedly and out of order, so the
// last one to arrive does not decide. The one that can only have happened after the others does:
// a server that has accepted a mail may return it later, but a returned mail is not delivered
// any more. Events without a rank do not say where the copy is.
var eventOrder = []Event{EventDeferred, EventDelivered, EventRejected, EventBounced, EventComplained}

// bestLast orders the events of several copies, the best last: a recipient who got one copy has
// got the message.
var bestLast = []Event{EventRejected, EventBounced, EventDeferred, EventDelivered, EventComplained}

// after reports whether f happened after g, another fate of the same copy.
func (f Fate) after(g Fate) bool {
	if c := cmp.Compare(slices.Index(eventOrder, f.Event), slices.Index(eventOrder, g.Event)); c != 0 {
		return c > 0
	}
	return cmp.Or(f.At.Compare(g.At), strings.Compare(f.Reason, g.Reason), strings.Compare(f.Code, g.Code)) > 0
}

// AddFate applies the fate of a copy. changed reports whether it added anything; fresh reports
// whether the copy's event is a new one, not just more detail on the same event.
func (r *Recipient) AddFate(f Fate) (changed, fresh bool) {
	if slices.Index(eventOrder, f.Event) < 0 {
		return false, false
	}
	n := slices.IndexFunc(r.Fates, func(g Fate) bool { return g.Attempt == f.Attempt })
	if n < 0 {
		r.Fates = append(slices.Clone(r.Fates), f)
		return true, true
	}
	before := r.Fates[n]
	if !f.after(before) {
		return false, false
	}
	r.Fates = slices.Clone(r.Fates)
	r.Fates[n] = f
	return true, f.Event != before.Event
}

// Fate returns the fate of the best copy, also of one that a provider has refused; ok is false if nothing
// is known about any copy.
func (r Recipient) Fate() (best Fate, ok bool) {
	all := r.Fates
	if r.Refused != nil {
		all = append([]Fate{*r.Refused}, all...)
	}
	for i, f := range all {
		if i == 0 || slices.Index(bestLast, f.Event) > slices.Index(bestLast, best.Event) {
			best = f
		}
	}
	return best, len(all) > 0
}

// hasMessage reports whether the recipient's server has accepted a copy and not returned it.
func (r Recipient) hasMessage() bool {
	f, ok := r.Fate()
	return ok && (f.Event == EventDelivered || f.Event == EventComplained)
}

// AcceptedStatus returns the status of a message that a provider has accepted: Delivered once that
// is known for each recipient, else Sent.
func (m *Message) AcceptedStatus() Status {
	missing := func(r Recipient) bool { return !r.hasMessage() }
	if len(m.Recipients) == 0 || slices.ContainsFunc(m.Recipients, missing) { // an earlier version wrote no recipients
		return Sent
	}
	return Delivered
}

// SetRecipientStatuses sets the status of each recipient: the event of the best copy if there is
// one, else Suppressed for one who is left out, else the message's status. A message that may have been
// sent, and of which nobody is left, may have been sent to those who are left out now.
func (m *Message) SetRecipientStatuses() {
	inDoubt := m.Status == Unknown && !m.AnyLeft()
	for i := range m.Recipients {
		r := &m.Recipients[i]
		r.Status = m.Status
		if r.Suppressed != "" && !inDoubt {
			r.Status = Suppressed
		}
		if f, ok := r.Fate(); ok {
			r.Status = Status(f.Event)
		}
	}
}

// Names of the marks that Patchbay puts on a message besides the metadata. The provider stores
// them and returns them in its events.
const (
	IDVariable      = "patchbay_message"
	TenantVariable  = "patchbay_tenant"
	AttemptVariable = "patchbay_attempt"
)

// Variables returns what the provider is to store with the message, by name: its metadata, and
// the marks, which are the message's id, its tenant and the id of the attempt in progress.
func (m Message) Variables() map[string]string {
	all := make(map[string]string)
	maps.Copy(all, m.Metadata)
	all[IDVariable] = m.ID
	if m.Tenant != "" {
		all[TenantVariable] = m.Tenant
	}
	if last := m.LastAttempt(); last.Outcome == Attempting {
		all[AttemptVariable] = last.ID
	}
	return all
}
