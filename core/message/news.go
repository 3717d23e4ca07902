package message

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Event is what has happened to a message at its provider, or beyond, whatever that
// provider calls it.
type Event string

// The events. Each of them proves that the provider has taken the message.
const (
	EventProcessed    Event = "processed" // taken, and about to be sent
	EventSent         Event = "sent"      // handed over to the recipient's server
	EventDeferred     Event = "deferred"  // that server did not take it yet
	EventDelivered    Event = "delivered"
	EventRejected     Event = "rejected" // the provider did not try, such as for its own list of bounces
	EventBounced      Event = "bounced"  // the recipient's server does not take it, or gave it back
	EventComplained   Event = "complained"
	EventOpened       Event = "opened"
	EventClicked      Event = "clicked"
	EventUnsubscribed Event = "unsubscribed"
)

// Events are all of them.
func Events() []Event {
	return []Event{
		EventProcessed, EventSent, EventDeferred, EventDelivered, EventRejected,
		EventBounced, EventComplained, EventOpened, EventClicked, EventUnsubscribed,
	}
}

// News is what a provider tells of a message.
type News struct {
	Event Event
	// Tenant, Message and Attempt are what Patchbay has marked the message with; see
	// Marks. Mail of an earlier version has no Tenant and no Attempt.
	Tenant, Message, Attempt string
	Reference                string // the provider's id of the message
	Recipient                string // the address, empty where it is about all of them
	Code                     string // of SMTP: 5.1.1, or 550
	Reason                   string // in the provider's or the server's words, without addresses
	At                       time.Time
}

// Fate is what has become of one copy of a message for one recipient.
type Fate struct {
	Attempt string    `json:"attempt"` // that has sent the copy
	Event   Event     `json:"event"`   // deferred, delivered, rejected, bounced or complained
	Code    string    `json:"code,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"` // by the provider
}

// Events come late, twice and in any order, so it is not the last one that counts. Of one
// copy it is the one that can only have come after the others: a server that has taken a
// mail may give it back, one that gave it back delivers it no more. What has no rank says
// nothing of where the copy is.
var ranks = []Event{EventDeferred, EventDelivered, EventRejected, EventBounced, EventComplained}

// Of several copies it is the best that counts: who has got one has got the message.
var fortunes = []Event{EventRejected, EventBounced, EventDeferred, EventDelivered, EventComplained}

// after reports whether a fate comes after another of the same copy.
func (f Fate) after(g Fate) bool {
	if c := cmp.Compare(slices.Index(ranks, f.Event), slices.Index(ranks, g.Event)); c != 0 {
		return c > 0
	}
	return cmp.Or(f.At.Compare(g.At), strings.Compare(f.Reason, g.Reason), strings.Compare(f.Code, g.Code)) > 0
}

// Learn takes in what has become of a copy. Changed tells that something is known now that
// was not; told that it is another event than before, and not only more of the same.
func (r *Recipient) Learn(f Fate) (changed, told bool) {
	if slices.Index(ranks, f.Event) < 0 {
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

// Fate is that of the copy which counts; not ok where nothing is known of any.
func (r *Recipient) Fate() (best Fate, ok bool) {
	for i, f := range r.Fates {
		if i == 0 || slices.Index(fortunes, f.Event) > slices.Index(fortunes, best.Event) {
			best = f
		}
	}
	return best, len(r.Fates) > 0
}

// reached reports whether the recipient's server has taken a copy, and not given it back.
func (r *Recipient) reached() bool {
	f, ok := r.Fate()
	return ok && (f.Event == EventDelivered || f.Event == EventComplained)
}

// Reached is the status of a message that a provider has taken: Delivered once that is
// known of each recipient, else Sent.
func (m *Message) Reached() Status {
	for i := range m.Recipients {
		if !m.Recipients[i].reached() {
			return Sent
		}
	}
	if len(m.Recipients) == 0 { // as an earlier version has kept it
		return Sent
	}
	return Delivered
}

// Stand writes the recipients' statuses: what has become of it for each, where that is
// known, else what is true of the message.
func (m *Message) Stand() {
	for i := range m.Recipients {
		r := &m.Recipients[i]
		r.Status = m.Status
		if f, ok := r.Fate(); ok {
			r.Status = Status(f.Event)
		}
	}
}

// The names under which a provider keeps what Patchbay has marked a message with, beside
// the metadata, and tells it in its events.
const (
	IDVariable      = "patchbay_message"
	TenantVariable  = "patchbay_tenant"
	AttemptVariable = "patchbay_attempt"
)

// Marks are what a provider is to keep with the message, by name: whose it is, and of the
// attempt that is being made, which copy.
func (m Message) Marks() map[string]string {
	all := map[string]string{IDVariable: m.ID}
	if m.Tenant != "" {
		all[TenantVariable] = m.Tenant
	}
	if n := len(m.Attempts); n > 0 && m.Attempts[n-1].Outcome == Attempting {
		all[AttemptVariable] = m.Attempts[n-1].ID
	}
	return all
}
