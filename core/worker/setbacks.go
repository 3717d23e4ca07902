package worker

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// setbacksOf returns the Repository of the setbacks in a journal.
func setbacksOf(j ports.Journal) record.Repository[record.Entry[Setback]] {
	return record.Of(j, setbackKind, func(b Setback, id string) bool { return b.Name() == id }).Insisting()
}

// Setbacks are the records that could not be handled: a worker panicked while handling them,
// or could not decode them. Each is postponed several times, for hours in all, and then set
// aside. A record that is set aside stays unchanged until somebody puts it back.
type Setbacks struct{ Journal ports.Journal }

// SetAside lists what is set aside, newest first. Unavailable.
func (s Setbacks) SetAside(ctx context.Context) (all []Setback, err error) {
	err = setbacksOf(s.Journal).Walk(ctx, setTenant, ports.Filter{Status: stateSetAside}, nil, func(b record.Entry[Setback]) error {
		waits, err := s.isSetAside(ctx, b.Value)
		if waits {
			all = append(all, b.Value)
		}
		return err
	})
	return all, err
}

// isSetAside reports whether a record is still set aside. A request that moves it elsewhere, such
// as a cancel, makes it continue by itself.
func (s Setbacks) isSetAside(ctx context.Context, b Setback) (bool, error) {
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
	setbacks := setbacksOf(s.Journal)
	b, err := setbacks.Get(ctx, setTenant, name)
	if fault.Is(err, fault.NotFound) {
		return Setback{}, none
	}
	if err != nil {
		return Setback{}, err
	}
	// The record is changed first. If the process ends in between, SetAside still lists only the
	// records that wait.
	if err := s.requeue(ctx, b.Value, now, none); err != nil {
		return Setback{}, err
	}
	put := b.Value
	return put, setbacks.Update(ctx, &b, func(b *record.Entry[Setback]) error {
		b.Value.Count, b.Record.Queue, b.Record.Index.Status = 0, "", stateDone
		return nil
	})
}

func (s Setbacks) requeue(ctx context.Context, b Setback, now time.Time, none error) error {
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

const (
	setbackKind = "setback" // kind of the records that count setbacks, under setTenant

	// Aside is the queue of the records that are set aside, and of their setbacks. No worker
	// serves it. A record in a queue is not purged.
	Aside = "set_aside"

	// countExpiry is the time without a setback after which the count of a record restarts.
	countExpiry = 48 * time.Hour
	// setbackDeadline is how long saving a setback may take.
	setbackDeadline = 10 * time.Second
)

// setbacks is the schedule by which a record that could not be handled is postponed. After the
// last entry it is set aside. It is postponed for its lease at least, since what a worker had
// begun before it panicked may still be in progress.
var setbacks = Backoff{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

// The states of a setback.
const (
	statePutOff   = "put_off"
	stateSetAside = "set_aside"
	stateDone     = "done" // the record was put back
)

// Setback says how often a record could not be handled, and where it waited. It is a record
// of its own. So the record that it is about stays the same, byte for byte, and a restart does
// not reset the count.
type Setback struct {
	Tenant string    `json:"tenant"`
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Queue  string    `json:"queue"` // the queue in which the record waited
	Count  int       `json:"count"`
	Reason string    `json:"reason"` // code of the last error: panic, undecodable_record …
	Since  time.Time `json:"since"`  // time of the first setback
	Last   time.Time `json:"last"`   // time of the last; all times here are by the store's clock
}

// Name returns the name of the setback of a record.
func (b Setback) Name() string { return b.Tenant + "|" + b.Kind + "|" + b.ID }

func (b Setback) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("queue", b.Queue), slog.String("record", b.Kind+":"+b.ID), slog.String("tenant", b.Tenant),
		slog.Int("count", b.Count),
	}
}

// setBack postpones a claim that could not be handled, or sets it aside. It changes only where
// the record waits. What was open or unknown in the record stays so.
func (w *Worker) setBack(ctx context.Context, c ports.Claim, cause error) {
	ctx, cancel := context.WithTimeout(ctx, setbackDeadline)
	defer cancel()
	now := w.ClaimedAt(c)
	b, err := w.count(ctx, c, now, cause)
	attrs := append(b.attrs(), slog.Any("error", cause))
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled, and that is not kept", append(attrs, slog.String("cause", err.Error()))...)
		return // the lease ends, and the record is handled again
	}
	wait, again := setbacks.After(b.Count)
	if again {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled: it is put off", attrs...)
	} else {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled time and again: it is set aside until somebody puts it back", attrs...)
	}
	if err := w.move(ctx, c, now.Add(max(wait, w.Lease)), again); err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "record is not put off", append(b.attrs(), slog.Any("error", err))...)
	}
}

// count counts one more setback of a record. If it returns without error, the count is saved.
func (w *Worker) count(ctx context.Context, c ports.Claim, now time.Time, cause error) (Setback, error) {
	b := Setback{Tenant: c.Tenant, Kind: c.Kind, ID: c.ID, Queue: c.Queue}
	counted := false
	s, err := setbacksOf(w.Journal).Put(ctx, setTenant, b.Name(), func(s *record.Entry[Setback]) error {
		if s.Value.Last.Equal(now) && counted { // it was saved, and only the answer was lost
			return record.ErrUnchanged
		}
		if now.Sub(s.Value.Last) > countExpiry {
			s.Value = b
			s.Value.Since = now
		}
		s.Value.Queue, s.Value.Last, s.Value.Reason, counted = c.Queue, now, fault.From(cause).Code, true
		s.Value.Count++
		s.Record.Index, s.Record.Queue = ports.Index{Status: statePutOff, Created: now}, ""
		if _, again := setbacks.After(s.Value.Count); !again {
			s.Record.Index.Status, s.Record.Queue = stateSetAside, Aside
		}
		return nil
	})
	return s.Value, err
}

// move moves a record in its queue, or out of it, if this worker still has the claim. What the
// worker has saved before it failed is kept.
func (w *Worker) move(ctx context.Context, c ports.Claim, due time.Time, again bool) error {
	r := c.Record
	return record.Raw(w.Journal, c.Kind).Insisting().Update(ctx, &r, func(r *ports.Record) error {
		if r.Owner != w.Owner || r.Queue != c.Queue {
			return record.ErrUnchanged
		}
		if r.Owner = ""; again {
			r.Due = due
		} else {
			r.Queue, r.Due = Aside, time.Time{}
		}
		return nil
	})
}
