// Package suppression is the domain of suppressions: which addresses get no more mail, of which
// category, and why.
package suppression

import (
	"slices"
	"time"

	"patchbay/core/email"
)

// Reason says why an address is suppressed.
type Reason string

// The reasons.
const (
	Bounced      Reason = "bounced"      // there is no such mailbox
	Complained   Reason = "complained"   // the recipient reported a message as spam
	Unsubscribed Reason = "unsubscribed" // the recipient wants no marketing
	Manual       Reason = "manual"       // somebody decided so
)

// Reasons lists the reasons, the strongest first: what it says of an address that has several.
func Reasons() []Reason { return []Reason{Bounced, Manual, Complained, Unsubscribed} }

// Known reports whether r is one of the reasons.
func (r Reason) Known() bool { return slices.Contains(Reasons(), r) }

// Policy says what is configurable about suppressions.
type Policy struct {
	ComplaintsStopAll bool // complaints stop transactional messages, too
}

// stops reports whether a reason stops messages of a category.
func (p Policy) stops(r Reason, c email.Category) bool {
	switch r {
	case Bounced, Manual:
		return true
	case Complained:
		return c == email.Marketing || p.ComplaintsStopAll
	default:
		return c == email.Marketing
	}
}

// Entry is what is known about one reason. The reason counts if At is after RemovedAt.
type Entry struct {
	Reason Reason `json:"reason"`
	// At is when the newest event of this reason happened, by the clock of its provider, or when
	// somebody added it. It is zero if nothing but its removal is known.
	At time.Time `json:"at,omitzero"`
	// RemovedAt is the time up to which events of this reason have no effect.
	RemovedAt time.Time `json:"removedAt,omitzero"`
	Source    Source    `json:"source,omitzero"`
}

// Source says where an entry comes from.
type Source struct {
	Provider string `json:"provider,omitempty"` // whose event it was
	Message  string `json:"message,omitempty"`  // the id of the message that it was about
	Code     string `json:"code,omitempty"`     // of SMTP, such as 5.1.1
	Note     string `json:"note,omitempty"`     // of who added it
}

// Counts reports whether the reason counts.
func (e Entry) Counts() bool { return e.At.After(e.RemovedAt) }

// Suppression is what is known about one address of a tenant. It is kept after its removal, because
// older events may still arrive.
type Suppression struct {
	ID        string    `json:"id"` // sup_…, a keyed hash of the address
	Tenant    string    `json:"tenant"`
	Email     string    `json:"email,omitempty"` // as first seen; empty once it was erased
	Entries   []Entry   `json:"entries"`         // at most one per reason
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	ErasedAt  time.Time `json:"erasedAt,omitzero"` // when the address was erased on the person's request
}

// entry returns the index of the entry of a reason, which it makes if there is none.
func (s *Suppression) entry(r Reason) int {
	n := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.Reason == r })
	if n < 0 {
		s.Entries = append(s.Entries, Entry{Reason: r})
		n = len(s.Entries) - 1
	}
	return n
}

// Learn adds what an event says, and reports whether that changed anything. In whichever order events
// arrive, the result is the same, and one from before a removal has no effect.
func (s *Suppression) Learn(r Reason, at time.Time, from Source) (changed bool) {
	s.Entries = slices.Clone(s.Entries)
	e := &s.Entries[s.entry(r)]
	if !at.After(e.At) || !at.After(e.RemovedAt) {
		return false
	}
	e.At, e.Source = at, from
	return true
}

// Assert adds a reason that somebody gives now, whatever was removed before. It reports whether that
// changed anything: an address that is suppressed for this reason already stays as it is.
func (s *Suppression) Assert(r Reason, now time.Time, from Source) (changed bool) {
	s.Entries = slices.Clone(s.Entries)
	e := &s.Entries[s.entry(r)]
	if e.Counts() {
		return false
	}
	// The removal may have been recorded by a clock that is ahead of this one.
	e.At, e.Source = later(now, e.RemovedAt.Add(time.Microsecond)), from
	return true
}

// Remove makes reasons not count any more, all of them if none is given, and events from before now
// have no effect. It reports whether any of them counted.
func (s *Suppression) Remove(now time.Time, reasons ...Reason) (counted bool) {
	if len(reasons) == 0 {
		reasons = Reasons()
	}
	s.Entries = slices.Clone(s.Entries)
	for _, r := range reasons {
		e := &s.Entries[s.entry(r)]
		counted = counted || e.Counts()
		// An event's time is by the clock of its provider, which may be ahead.
		e.RemovedAt = later(now, later(e.At, e.RemovedAt))
	}
	return counted
}

// Erase removes what identifies the person. What remains are the keyed hash and the reasons.
func (s *Suppression) Erase(now time.Time) {
	s.Email, s.ErasedAt = "", now
	s.Entries = slices.Clone(s.Entries)
	for i := range s.Entries {
		s.Entries[i].Source.Message, s.Entries[i].Source.Note = "", ""
	}
}

// Counting returns the entries that count, the strongest reason first.
func (s *Suppression) Counting() (all []Entry) {
	for _, r := range Reasons() {
		for _, e := range s.Entries {
			if e.Reason == r && e.Counts() {
				all = append(all, e)
			}
		}
	}
	return all
}

// Stops returns the strongest reason that stops messages of a category; empty if none does.
func (s *Suppression) Stops(c email.Category, p Policy) Reason {
	for _, e := range s.Counting() {
		if p.stops(e.Reason, c) {
			return e.Reason
		}
	}
	return ""
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
