package webhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/core/webhook"
	"patchbay/ports"
)

var errWaiting = fault.New(fault.Conflict, "event_waits", "it waits to be applied")

// PersonalObjects passes to found every event about the person's data, every event that names the
// person, and every event about erased data, because nothing tells any more whose that was. It
// reads all events, and passes the number read to examined.
func (s *Service) PersonalObjects(ctx context.Context, p user.Person, examined func(int) error, found func(user.PersonalObject) error) error {
	for _, route := range slices.Sorted(maps.Keys(s.Routes)) {
		err := s.events.WalkPast(ctx, route, ports.Filter{}, examined, record.Unreadable(found), func(st stored) error { return s.examine(ctx, st, p, found) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) examine(ctx context.Context, st stored, p user.Person, found func(user.PersonalObject) error) error {
	r, e := st.Record, st.Value
	if !e.ErasedAt.IsZero() {
		return nil
	}
	of, err := s.Routes[r.Tenant].Subject(ctx, e.Event, p)
	if fault.Is(err, fault.NotFound) {
		of, err = event.Subject{Tenant: p.Tenant}, nil
	}
	switch {
	case record.IsUndecodable(err): // what the event is about
		return found(user.PersonalObject{ID: r.ID, Unreadable: err})
	case err != nil || of.Tenant != p.Tenant:
		return err
	}
	t := user.PersonalObject{ID: r.ID, Erase: func(ctx context.Context) error { return s.erase(ctx, st) }}
	switch {
	case of.Theirs || mentions(e.Event, p):
		t.View = shown{e.Event, r.Index.Status}
	case !of.Erased:
		return nil
	}
	if r.Index.Status == stateWaiting {
		t.Pending = errWaiting.Message
	}
	return found(t)
}

// erase removes the content of an event that no longer waits to be applied.
func (s *Service) erase(ctx context.Context, st stored) error {
	return s.events.Update(ctx, &st, func(st *stored) error {
		if st.Record.Index.Status == stateWaiting {
			return errWaiting
		}
		st.Value.erase(s.Clock.Now())
		return nil
	})
}

func (e *entry) erase(now time.Time) { e.Event.Object, e.ErasedAt = nil, now }

// Personal returns a view of the event in a record if it names the person.
func Personal(r ports.Record, p user.Person) (view any, ok bool) {
	st, err := repository(nil).Decode(r)
	if err != nil || !mentions(st.Value.Event, p) {
		return nil, false
	}
	return shown{st.Value.Event, r.Index.Status}, true
}

// shown is an event as it is disclosed to a person.
type shown struct {
	webhook.Event
	State string `json:"state"`
}

// mentions reports whether any string in the event's object is the id or an address of the person.
func mentions(e webhook.Event, p user.Person) bool {
	d := json.NewDecoder(bytes.NewReader(e.Object))
	for {
		token, err := d.Token()
		if err != nil { // the end, or invalid JSON: such an event cannot be applied
			return false
		}
		if text, ok := token.(string); ok && p.Is(text) {
			return true
		}
	}
}
