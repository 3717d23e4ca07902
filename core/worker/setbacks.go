package worker

import (
	"context"
	"encoding/json"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

// setbackRecord is a setback with its record.
type setbackRecord struct {
	Setback
	record ports.Record
}

// readSetback reads the setback of a record, or returns a new one.
func readSetback(ctx context.Context, j ports.Journal, of Setback) (setbackRecord, error) {
	r, err := j.Get(ctx, setTenant, setbackKind, of.Name())
	if fault.Is(err, fault.NotFound) {
		return setbackRecord{of, ports.Record{Tenant: setTenant, Kind: setbackKind, ID: of.Name()}}, nil
	}
	if err != nil {
		return setbackRecord{}, err
	}
	return decodeSetback(r)
}

func decodeSetback(r ports.Record) (setbackRecord, error) {
	b, err := ports.Decode(r, func(b Setback) bool { return b.Name() == r.ID })
	return setbackRecord{b, r}, err
}

// become writes a setback into its record: as put off if the record is handled again, else as
// set aside.
func (s *setbackRecord) become(again bool) (err error) {
	s.record.Index = ports.Index{Status: statePutOff, Created: s.Last}
	s.record.Queue = ""
	if !again {
		s.record.Index.Status, s.record.Queue = stateSetAside, Aside
	}
	return s.encode()
}

func (s *setbackRecord) encode() (err error) {
	if s.record.Body, err = json.Marshal(s.Setback); err != nil {
		return fault.Wrap(fault.Internal, "worker.setback", err)
	}
	return nil
}

func (s *setbackRecord) update(ctx context.Context, j ports.Journal, change func() error) error {
	return ports.Update(ctx, ports.Edit{
		Try: ports.Insist, Change: change,
		Save: func() error { return j.Save(ctx, &s.record)[0] },
		Reload: func(error) (final, err error) {
			*s, err = readSetback(ctx, j, s.Setback)
			return nil, err
		},
	})
}

// Setbacks are the records that could not be handled: a worker panicked while handling them,
// or could not decode them. Each is postponed several times, for hours in all, and then set
// aside. A record that is set aside stays unchanged until somebody puts it back.
type Setbacks struct{ Journal ports.Journal }

// SetAside lists what is set aside, newest first. Unavailable.
func (s Setbacks) SetAside(ctx context.Context) (all []Setback, err error) {
	const page = 100
	for cursor := ""; ; {
		list, err := s.Journal.List(ctx, setTenant, setbackKind, ports.Filter{Status: stateSetAside}, cursor, page)
		if err != nil {
			return nil, err
		}
		for _, r := range list.Records {
			b, err := decodeSetback(r)
			if err != nil {
				return nil, err
			}
			waits, err := s.waits(ctx, b.Setback)
			if err != nil {
				return nil, err
			}
			if waits {
				all = append(all, b.Setback)
			}
		}
		if cursor = list.Next; cursor == "" {
			return all, nil
		}
	}
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
	r, err := s.Journal.Get(ctx, setTenant, setbackKind, name)
	if fault.Is(err, fault.NotFound) {
		return Setback{}, none
	}
	if err != nil {
		return Setback{}, err
	}
	b, err := decodeSetback(r)
	if err != nil {
		return Setback{}, err
	}
	// The record is changed first. If the process ends in between, SetAside still lists only the
	// records that wait.
	if err := s.unset(ctx, b.Setback, now, none); err != nil {
		return Setback{}, err
	}
	return b.Setback, b.update(ctx, s.Journal, func() error {
		b.Count, b.record.Queue, b.record.Index.Status = 0, "", stateDone
		return b.encode()
	})
}

func (s Setbacks) unset(ctx context.Context, b Setback, now time.Time, none error) error {
	r, err := s.Journal.Get(ctx, b.Tenant, b.Kind, b.ID)
	if err != nil {
		return err
	}
	done := false
	return ports.Update(ctx, ports.Edit{
		Try: ports.Insist,
		Change: func() error {
			switch {
			case r.Queue == Aside:
				r.Queue, r.Owner, r.Due, done = b.Queue, "", now, true
			case !done: // otherwise it was saved, and only the answer was lost
				return none
			}
			return nil
		},
		Save: func() error { return s.Journal.Save(ctx, &r)[0] },
		Reload: func(error) (final, err error) {
			r, err = s.Journal.Get(ctx, b.Tenant, b.Kind, b.ID)
			return nil, err
		},
	})
}

// Purge removes up to n setbacks that were last counted before the given time and are not set
// aside. It returns how many it has removed, 0 if none are left.
func (s Setbacks) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	return s.Journal.Purge(ctx, setTenant, setbackKind, before, n)
}
