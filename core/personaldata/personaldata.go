// Package personaldata exports and erases the data of one person in all stores.
package personaldata

import (
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// Keeper stores data of persons.
type Keeper interface {
	// PersonalObjects passes everything that it stores about a person to found, always in the same
	// order. For each batch that it has read, it passes the number of objects to examined. An error
	// returned by either function ends it. What cannot be decoded is passed to found as Unreadable. Unavailable.
	PersonalObjects(ctx context.Context, p user.Person, examined func(n int) error, found func(user.PersonalObject) error) error
}

// Place is a Keeper with a display name.
type Place struct {
	Name string
	Keeper
}

// People resolves persons, and is the Keeper of the users themselves.
type People interface {
	Keeper
	// Person returns the person with a user's id or an address; one of the two is empty.
	// Unavailable.
	Person(ctx context.Context, tenant, id, email string) (user.Person, error)
}

// Service exports and erases the data of persons.
type Service struct {
	people People
	places []Place // the users are the last
}

// New returns a Service. It visits the places in order, and the users last. Data may move from a
// place to a later one in the meantime, but never to an earlier one. A place must come before
// every place that consults its records to see what was erased.
func New(people People, places ...Place) *Service {
	return &Service{people: people, places: append(places, Place{"users", people})}
}

// Who names a person of a tenant, by a user's id or by an email.
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

// Progress reports the progress of a Service: first the person, then the name of each place, and
// within a place the number of objects read so far and what was found. Empty fields report
// nothing.
type Progress struct {
	Person   *user.Person    `json:"person,omitempty"`
	Place    string          `json:"place,omitempty"`
	Examined int             `json:"looked,omitempty"`
	Entry    json.RawMessage `json:"entry,omitempty"` // by an export
	Pending  *Pending        `json:"pending,omitempty"`
}

// Pending is an object that cannot be erased yet, or not be read.
type Pending struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Count is how many objects were found in one place, and what became of them.
type Count struct {
	Place   string `json:"place"`
	Found   int    `json:"found"`
	Erased  int    `json:"erased"`
	Pending int    `json:"pending"`
}

// Report has the counts of all places.
type Report struct {
	Places []Count `json:"places"`
}

// Pending returns how many objects cannot be erased yet, or not be read.
func (r Report) Pending() (n int) {
	for _, c := range r.Places {
		n += c.Pending
	}
	return n
}

// unreadable is why an object is pending that cannot be read.
const unreadable = "it cannot be read, so that nobody knows whose it is"

// Export reports everything that is stored about a person through tell. What cannot be read is pending.
//
// Invalid: w does not name a person; otherwise as for Keeper. An error returned by tell ends it.
func (s *Service) Export(ctx context.Context, w Who, tell func(Progress) error) (Report, error) {
	return s.visitAll(ctx, w, tell, func(t user.PersonalObject, c *Count) error {
		if t.Unreadable != nil {
			c.Pending++
			return tell(Progress{Pending: &Pending{t.ID, unreadable}})
		}
		if t.View == nil {
			c.Found--
			return nil
		}
		entry, err := json.Marshal(t.View)
		if err != nil {
			return fault.Wrap(fault.Internal, "personaldata.export", err)
		}
		return tell(Progress{Entry: entry})
	})
}

// Erase erases everything that is stored about a person or, if rehearsal is set, only counts it.
// It may be interrupted at any point and repeated: the user is erased last, and stays while
// anything else is pending, so that the id still leads to the rest.
//
// Errors as for Export; UnknownOutcome: repeat it.
func (s *Service) Erase(ctx context.Context, w Who, rehearsal bool, tell func(Progress) error) (Report, error) {
	pending := 0
	return s.visitAll(ctx, w, tell, func(t user.PersonalObject, c *Count) error {
		why := t.Pending
		if t.Unreadable != nil {
			why = unreadable
		}
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
		return tell(Progress{Pending: &Pending{t.ID, why}})
	})
}

// visitAll visits the places in order, and calls do for every trace.
func (s *Service) visitAll(ctx context.Context, w Who, tell func(Progress) error, do func(user.PersonalObject, *Count) error) (Report, error) {
	if err := w.check(); err != nil {
		return Report{}, err
	}
	p, err := s.people.Person(ctx, w.Tenant, w.UserID, w.Email)
	if err != nil {
		return Report{}, err
	}
	if err := tell(Progress{Person: &p}); err != nil {
		return Report{}, err
	}
	var report Report
	for _, place := range s.places {
		c := Count{Place: place.Name}
		if err := s.visit(ctx, place, p, tell, func(t user.PersonalObject) error { c.Found++; return do(t, &c) }); err != nil {
			return report, err
		}
		report.Places = append(report.Places, c)
	}
	return report, nil
}

func (s *Service) visit(ctx context.Context, place Place, p user.Person, tell func(Progress) error, found func(user.PersonalObject) error) error {
	if err := tell(Progress{Place: place.Name}); err != nil {
		return err
	}
	examined := 0
	return place.PersonalObjects(ctx, p, func(n int) error {
		examined += n
		return tell(Progress{Examined: examined})
	}, found)
}
