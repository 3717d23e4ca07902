package queue

import (
	"context"
	"log/slog"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	setbackKind = "setback" // of the records that count, which are under setTenant

	// Aside is the queue of what is set aside, and of what says so. Nobody serves it, and
	// nothing that waits is purged.
	Aside = "set_aside"

	// forgotten is after how long without another setback a record's count begins anew.
	forgotten = 48 * time.Hour
	// settingBack is how long a setback may take to be saved.
	settingBack = 10 * time.Second
)

// setbacks is how long a record is put off that could not be handled, after each time. After
// the last it is set aside. It is never put off for less than its lease: what a worker has
// begun before it panicked may still be under way.
var setbacks = Backoff{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour}

// The states of a setback.
const (
	statePutOff   = "put_off"
	stateSetAside = "set_aside"
	stateDone     = "done" // it was put back, or went on by itself
)

// Setback is what the journal keeps of a record that could not be handled: how often, and
// where it waited. It is a record of its own, so that the one that it tells of stays as it
// is, byte for byte, and so that a restart does not count from the start.
type Setback struct {
	Tenant string    `json:"tenant"`
	Kind   string    `json:"kind"`
	ID     string    `json:"id"`
	Queue  string    `json:"queue"` // where it waited
	Count  int       `json:"count"`
	Reason string    `json:"reason"` // the code of what went wrong last: panic, undecodable_record …
	Since  time.Time `json:"since"`  // the first time
	Last   time.Time `json:"last"`   // by the store's clock, as all times here
}

// Name names the setback of a record.
func (b Setback) Name() string { return b.Tenant + "|" + b.Kind + "|" + b.ID }

func (b Setback) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("queue", b.Queue), slog.String("record", b.Kind+":"+b.ID), slog.String("tenant", b.Tenant),
		slog.Int("count", b.Count),
	}
}

// setBack puts off a claim that could not be handled, or sets it aside. Nothing of the record
// changes but where it waits: what was open or unknown in it is so still.
func (w *Worker) setBack(ctx context.Context, c ports.Claim, cause error) {
	ctx, cancel := context.WithTimeout(ctx, settingBack)
	defer cancel()
	now := w.Taken(c)
	b, err := w.count(ctx, c, now, cause)
	attrs := append(b.attrs(), slog.Any("error", cause))
	if err != nil {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled, and that is not kept", append(attrs, slog.String("cause", err.Error()))...)
		return // the lease runs out, and it is handled again
	}
	wait, again := setbacks.After(b.Count)
	if again {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled: it is put off", attrs...)
	} else {
		w.Log.LogAttrs(ctx, slog.LevelError, "record could not be handled time and again: it is set aside until somebody puts it back", attrs...)
	}
	if err := w.move(ctx, c, now.Add(max(wait, w.Lease)), again); err != nil && err != errElsewhere { //nolint:errorlint // our own sentinel, returned as it is
		w.Log.LogAttrs(ctx, slog.LevelError, "record is not put off", append(b.attrs(), slog.Any("error", err))...)
	}
}

// count notes one more setback of a record. It is durable when count returns without error.
func (w *Worker) count(ctx context.Context, c ports.Claim, now time.Time, cause error) (Setback, error) {
	b := Setback{Tenant: c.Tenant, Kind: c.Kind, ID: c.ID, Queue: c.Queue}
	s, err := readSetback(ctx, w.Journal, b)
	counted := false
	change := func() error {
		if s.Last.Equal(now) && counted { // it was saved, and only the answer lost
			return nil
		}
		if now.Sub(s.Last) > forgotten {
			s.Setback = b
			s.Since = now
		}
		s.Queue, s.Last, s.Reason, counted = c.Queue, now, fault.From(cause).Code, true
		s.Count++
		_, again := setbacks.After(s.Count)
		return s.become(again)
	}
	if err == nil {
		err = s.update(ctx, w.Journal, change)
	}
	return s.Setback, err
}

// move takes a record out of its place in the queue, if this worker still has it there. What
// the worker has saved before it failed stays.
func (w *Worker) move(ctx context.Context, c ports.Claim, due time.Time, again bool) error {
	r := c.Record
	return ports.Update(ctx, ports.Edit{
		Try: ports.Insist,
		Change: func() error {
			if r.Owner != w.Owner || r.Queue != c.Queue {
				return errElsewhere
			}
			if r.Owner = ""; again {
				r.Due = due
			} else {
				r.Queue, r.Due = Aside, time.Time{}
			}
			return nil
		},
		Save: func() error { return w.Journal.Save(ctx, &r)[0] },
		Reload: func(error) (final, err error) {
			r, err = w.Journal.Get(ctx, c.Tenant, c.Kind, c.ID)
			return nil, err
		},
	})
}

var errElsewhere = fault.New(fault.Conflict, "record_elsewhere", "the record does not wait there any more")
