package worker

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// setbacksIn returns the Repository of the setbacks in a journal.
func setbacksIn(j ports.Journal) record.Repository[record.Entry[Setback]] {
	return record.Of(j, setbackKind, func(b Setback, id string) bool { return b.Name() == id }).Insisting()
}

// Setbacks are the records that could not be handled: a worker panicked while handling them,
// or could not decode them. Each is postponed several times, for hours in all, and then set
// aside. A record that is set aside stays unchanged until somebody puts it back.
type Setbacks struct{ Journal ports.Journal }

// SetAside lists what is set aside, newest first. Unavailable.
func (s Setbacks) SetAside(ctx context.Context) (all []Setback, err error) {
	err = setbacksIn(s.Journal).Walk(ctx, setTenant, ports.Filter{Status: stateSetAside}, nil, func(b record.Entry[Setback]) error {
		waits, err := s.waits(ctx, b.Value)
		if waits {
			all = append(all, b.Value)
		}
		return err
	})
	return all, err
}

// waits reports whether a record is still set aside. A request that moves it elsewhere, such
// as a cancel, makes it continue by itself.
func (s Setbacks) waits(ctx context.Context, b Setback) (bool, error) {
	r, err := s.Journal.Get(ctx, b.Tenant, b.Kind, b.ID)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return r.Queue == Aside, err
}

// PutBack makes a record that is set aside due now, with the full number of tries. name is the
// name of its Setback. NotFound: no record is set aside under that name.
func (s Setbacks) PutBack(ctx context.Context, name string, now time.Time) (Setback, error) {
	none := fault.New(fault.NotFound, "not_set_aside", "nothing of this name is set aside")
	setbacks := setbacksIn(s.Journal)
	b, err := setbacks.Get(ctx, setTenant, name)
	if fault.Is(err, fault.NotFound) {
		return Setback{}, none
	}
	if err != nil {
		return Setback{}, err
	}
	// The record is changed first. If the process ends in between, SetAside still lists only the
	// records that wait.
	if err := s.unset(ctx, b.Value, now, none); err != nil {
		return Setback{}, err
	}
	put := b.Value
	return put, setbacks.Update(ctx, &b, func(b *record.Entry[Setback]) error {
		b.Value.Count, b.Record.Queue, b.Record.Index.Status = 0, "", stateDone
		return nil
	})
}

func (s Setbacks) unset(ctx context.Context, b Setback, now time.Time, none error) error {
	records := record.Raw(s.Journal, b.Kind).Insisting()
	r, err := records.Get(ctx, b.Tenant, b.ID)
	if err != nil {
		return err
	}
	done := false
	return records.Update(ctx, &r, func(r *ports.Record) error {
		switch {
		case r.Queue == Aside:
			r.Queue, r.Owner, r.Due, done = b.Queue, "", now, true
		case done: // it was saved, and only the answer was lost
			return record.ErrUnchanged
		default:
			return none
		}
		return nil
	})
}

// Purge removes up to n setbacks that were last counted before the given time and are not set
// aside. It returns how many it has removed, 0 if none are left.
func (s Setbacks) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	return s.Journal.Purge(ctx, setTenant, setbackKind, before, n)
}
