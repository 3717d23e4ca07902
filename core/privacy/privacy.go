// Package privacy is where a person's data is found, wherever it is kept, handed out
// and erased.
package privacy

import (
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// Keeper keeps data of persons.
type Keeper interface {
	// Traces gives everything that it keeps of a person, always in the same order, and
	// tells each time it has looked at some more how many those were. An error that it
	// is answered ends it. Unavailable; Internal: something cannot be read.
	Traces(ctx context.Context, p user.Person, looked func(n int) error, found func(user.Trace) error) error
}

// Place is a Keeper with a name for people.
type Place struct {
	Name string
	Keeper
}

// People knows who is who, and keeps the users themselves.
type People interface {
	Keeper
	// Person finds out who a user's id or an address names; one of them is empty.
	// Unavailable.
	Person(ctx context.Context, tenant, id, email string) (user.Person, error)
}

// Service finds, hands out and erases.
type Service struct {
	people People
	places []Place // where the users are comes last
}

// New makes a Service. A thing may wander from one place to one after it, not back;
// and what makes something else known for erased comes before that.
func New(people People, places ...Place) *Service {
	return &Service{people: people, places: append(places, Place{"users", people})}
}

// Who names a person of a tenant: by a user's id, or by an email.
type Who struct {
	Tenant string `json:"tenant"`
	UserID string `json:"userId,omitempty"`
	Email  string `json:"email,omitempty"`
}

func (w Who) check() error {
	switch {
	case w.Tenant == "":
		return fault.InvalidParam("tenant", "tenant_missing", "a tenant must be given")
	case (w.UserID == "") == (w.Email == ""):
		return fault.InvalidParam("userId", "person_missing", "either a user's id or an email must be given")
	}
	return nil
}

// News is what a Service tells while it is at work: first who it is, then the name of
// each place, and while it is there how many things it has looked at so far and what
// it has found. A field that is empty is not told.
type News struct {
	Person  *user.Person    `json:"person,omitempty"`
	Place   string          `json:"place,omitempty"`
	Looked  int             `json:"looked,omitempty"`
	Entry   json.RawMessage `json:"entry,omitempty"`   // of an export
	Pending *Pending        `json:"pending,omitempty"` // of an erasure
}

// Pending is something that cannot be erased yet.
type Pending struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Count is how much was found in one place, and what became of it.
type Count struct {
	Place   string `json:"place"`
	Found   int    `json:"found"`
	Erased  int    `json:"erased"`
	Pending int    `json:"pending"`
}

// Report sums up, place by place.
type Report struct {
	Places []Count `json:"places"`
}

// Pending is how many things cannot be erased yet.
func (r Report) Pending() (n int) {
	for _, c := range r.Places {
		n += c.Pending
	}
	return n
}

// Export tells everything that is kept of a person.
//
// Invalid: nobody is named; otherwise as for Keeper. An error that tell returns ends
// it.
func (s *Service) Export(ctx context.Context, w Who, tell func(News) error) (Report, error) {
	return s.walk(ctx, w, tell, func(t user.Trace, c *Count) error {
		if t.View == nil {
			c.Found--
			return nil
		}
		entry, err := json.Marshal(t.View)
		if err != nil {
			return fault.Wrap(fault.Internal, "privacy.export", err)
		}
		return tell(News{Entry: entry})
	})
}

// Erase erases everything that is kept of a person, or, where it is only a rehearsal,
// counts it. It may be ended at any point and repeated: the user comes last, and stays
// while anything else is pending, so that the id still leads to the rest.
//
// Errors as for Export; UnknownOutcome: to be repeated.
func (s *Service) Erase(ctx context.Context, w Who, rehearsal bool, tell func(News) error) (Report, error) {
	pending := 0
	return s.walk(ctx, w, tell, func(t user.Trace, c *Count) error {
		why := t.Pending
		if pending > 0 && c.Place == s.places[len(s.places)-1].Name {
			why = "the rest must be erased before"
		}
		if why == "" && !rehearsal {
			err := t.Erase(ctx)
			if err != nil && !fault.Is(err, fault.Conflict) {
				return err
			}
			if err == nil {
				c.Erased++
			} else {
				why = fault.From(err).Message
			}
		}
		if why == "" {
			return nil
		}
		c.Pending++
		pending++
		return tell(News{Pending: &Pending{t.ID, why}})
	})
}

// walk goes from place to place, and does the same with everything that is found.
func (s *Service) walk(ctx context.Context, w Who, tell func(News) error, do func(user.Trace, *Count) error) (Report, error) {
	if err := w.check(); err != nil {
		return Report{}, err
	}
	p, err := s.people.Person(ctx, w.Tenant, w.UserID, w.Email)
	if err != nil {
		return Report{}, err
	}
	if err := tell(News{Person: &p}); err != nil {
		return Report{}, err
	}
	var report Report
	for _, place := range s.places {
		c := Count{Place: place.Name}
		if err := s.visit(ctx, place, p, tell, func(t user.Trace) error { c.Found++; return do(t, &c) }); err != nil {
			return report, err
		}
		report.Places = append(report.Places, c)
	}
	return report, nil
}

func (s *Service) visit(ctx context.Context, place Place, p user.Person, tell func(News) error, found func(user.Trace) error) error {
	if err := tell(News{Place: place.Name}); err != nil {
		return err
	}
	looked := 0
	return place.Traces(ctx, p, func(n int) error {
		looked += n
		return tell(News{Looked: looked})
	}, found)
}
