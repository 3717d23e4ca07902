package spool

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

var errWaits = fault.New(fault.Conflict, "record_held", "it waits in the spool for the database")

// PersonalObjects passes to found the records of a person that are held, or that the store has refused.
// Moved records are no longer here. counted gets the number of records read.
func (s *Spool) PersonalObjects(ctx context.Context, p user.Person, counted func(int) error, found func(user.PersonalObject) error) error {
	return record.Raw(s.Local, heldKind).Walk(ctx, "", ports.Filter{}, counted, func(w ports.Record) error { return s.trace(ctx, w, p, found) })
}

// hasContent reports whether a parcel still has its content.
func hasContent(w ports.Record) bool {
	return w.Index.Status == stateHeld || w.Index.Status == stateRefused
}

func (s *Spool) trace(ctx context.Context, w ports.Record, p user.Person, found func(user.PersonalObject) error) error {
	if !hasContent(w) {
		return nil
	}
	w, err := s.Local.Get(ctx, "", heldKind, w.ID)
	if err != nil || !hasContent(w) { // it was moved in the meantime
		return err
	}
	r, err := unwrap(w)
	if err != nil {
		return found(user.PersonalObject{ID: w.ID, Unreadable: err})
	}
	views := s.views(r, p)
	if len(views) == 0 {
		return nil
	}
	var view any = views
	if len(views) == 1 {
		view = views[0]
	}
	t := user.PersonalObject{ID: w.ID, View: view, Erase: func(ctx context.Context) error { return s.erase(ctx, w.ID) }}
	if w.Index.Status == stateHeld {
		t.Pending = errWaits.Message
	}
	return found(t)
}

// views returns views of the records of a parcel that concern the person.
func (s *Spool) views(r parcel, p user.Person) (views []any) {
	for _, one := range append([]*ports.Record{&r.Record}, r.Children...) {
		if personal := s.Kinds[one.Kind].Personal; personal != nil {
			if view, ok := personal(*one, p); ok {
				views = append(views, view)
			}
		}
	}
	return views
}

// erase removes the content of a record that the store has refused; such a record is never
// processed.
func (s *Spool) erase(ctx context.Context, id string) error {
	w, err := s.Local.Get(ctx, "", heldKind, id)
	if err != nil {
		return err
	}
	switch w.Index.Status {
	case stateHeld:
		return errWaits
	case stateRefused:
	default:
		return nil
	}
	w.Index.Status, w.Queue, w.Idem, w.Body, w.Content = stateErased, "", "", empty, nil
	if err := s.Local.Save(ctx, &w)[0]; err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused--
	return nil
}
