package depot

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/ports"
)

// A mark is a record in each store that says what the store is. It is of the store
// itself: no copy takes it along.
const (
	markKind = "store"
	markID   = "mark"
)

// What a store can be, beside new.
const (
	unfinished = "unfinished_copy"
	finished   = "finished_copy"
	inUse      = "in_use"
	moved      = "moved"
)

// attempts bounds how often a mark is read again that others write at the same time.
const attempts = 10

type mark struct {
	journal ports.Journal
	record  ports.Record
	from    origin
}

// origin is a mark's body. Stores are named as their providers are.
type origin struct {
	Of    string `json:"copyOf,omitempty"`
	To    string `json:"movedTo,omitempty"`
	Older bool   `json:"older,omitempty"` // it holds what an older copy of its store held, and was not used since
	// Payments are the providers that the gateway which was started on it last makes payments at.
	Payments []string `json:"payments,omitempty"`
	Restore
}

// Restore tells of an older copy of a store that was put in its place.
type Restore struct {
	// At is when the copy was first used, zero where there never was one.
	At time.Time `json:"restoredAt,omitzero"`
	// Since is a time before which nothing happened that the copy does not know, by the
	// clock of those who wrote it; zero where nothing in it tells.
	Since time.Time `json:"restoredSince,omitzero"`
	// Unrecalled tells that what the providers hold of payments is not in the store again
	// yet. Marks of earlier versions do not say so: their gateways looked for 72 hours.
	Unrecalled bool `json:"unrecalled,omitempty"`
	// Providers are those that payments may have been made at since: what was configured when
	// the copy was made, and when it was first used.
	Providers []string `json:"providers,omitempty"`
	// Lost is the longest time of which a copy that was put back knew nothing, of all that
	// ever were. Marks of earlier versions do not say so.
	Lost time.Duration `json:"lost,omitempty"`
}

// lost is how long the time may be of which the store knows nothing.
func (r Restore) lost() time.Duration {
	switch {
	case r.At.IsZero():
		return 0
	case r.Since.IsZero():
		return max(r.Lost, idem.Kept)
	}
	return max(r.Lost, r.At.Sub(r.Since))
}

// again is the restore of one more older copy at a time, in which the last event was
// written at another. What was not recalled of the one before still has to be.
func (r Restore) again(at, written time.Time, providers []string) Restore {
	since, all := written, slices.Clone(providers)
	if r.Unrecalled {
		before := r.Since
		if before.IsZero() {
			before = r.At.Add(-idem.Kept)
		}
		if since.IsZero() || before.Before(since) {
			since = before
		}
		all = append(all, r.Providers...)
	}
	if !at.After(r.At) { // the clock is behind: what was known since the one before is not known since this
		at = r.At.Add(time.Microsecond)
	}
	slices.Sort(all)
	next := Restore{At: at, Since: since, Unrecalled: true, Providers: slices.Compact(all), Lost: r.lost()}
	next.Lost = next.lost()
	return next
}

// readMark reads a store's mark. A new store has one without a state.
func readMark(ctx context.Context, j ports.Journal, clock ports.Clock) (mark, error) {
	r, err := j.Get(ctx, "", markKind, markID)
	if fault.Is(err, fault.NotFound) {
		return mark{journal: j, record: ports.Record{Kind: markKind, ID: markID, Index: ports.Index{Created: clock.Now()}, Body: []byte(`{}`)}}, nil
	}
	if err != nil {
		return mark{}, err
	}
	from, err := ports.Decode(r, func(origin) bool { return true })
	return mark{j, r, from}, err
}

func (m mark) state() string { return m.record.Index.Status }

// origin is what the mark's body says.
func (m mark) origin() origin { return m.from }

// with is the mark with another body.
func (m mark) with(change func(*origin)) mark {
	change(&m.from)
	m.record.Body, _ = json.Marshal(m.from) // it always can be
	return m
}

// become writes the mark, unless another has written it since it was read.
func (m *mark) become(ctx context.Context, state string) error {
	m.record.Index.Status = state
	err := m.journal.Save(ctx, &m.record)[0]
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "target_taken", "another command is copying into the target, or a gateway has begun to use it")
	}
	return err
}

// Use marks a store as in use, the first time: from then on nothing is copied into
// it. payments are the providers that payments are made at, none where nobody makes any. older
// tells that an older copy of the store was put in its place, or an empty one; restored is the
// last time that this was told of it.
//
// Conflict with code unfinished_copy or store_moved: it must not be used. Else what
// the store returns.
func Use(ctx context.Context, j ports.Journal, clock ports.Clock, older bool, payments ...string) (restored Restore, err error) {
	for range attempts {
		var m mark
		if m, err = readMark(ctx, j, clock); err != nil {
			return Restore{}, err
		}
		if err := m.usable(); err != nil {
			return Restore{}, err
		}
		switch before := m.origin().Payments; {
		case m.state() == inUse && !older && (len(payments) == 0 || slices.Equal(before, payments)):
			return m.origin().Restore, nil
		case older || m.origin().Older:
			written, err := writtenAt(ctx, j)
			if err != nil {
				return Restore{}, err
			}
			m = m.with(func(o *origin) {
				o.Restore, o.Older = o.again(clock.Now(), written, slices.Concat(before, payments)), false
			})
		}
		if len(payments) > 0 {
			m = m.with(func(o *origin) { o.Payments = payments })
		}
		if err = m.become(ctx, inUse); err == nil {
			return m.origin().Restore, nil
		}
		if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.UnknownOutcome) {
			return Restore{}, err
		}
	}
	return Restore{}, err
}

// Recalled notes with a store that what the providers hold of payments is in it again,
// since an older copy of it was put back at a time. After a later one it changes nothing.
// What the store returns.
func Recalled(ctx context.Context, j ports.Journal, clock ports.Clock, at time.Time) (err error) {
	for range attempts {
		var m mark
		if m, err = readMark(ctx, j, clock); err != nil {
			return err
		}
		if r := m.origin().Restore; !r.Unrecalled || !r.At.Equal(at) {
			return nil
		}
		m = m.with(func(o *origin) { o.Unrecalled, o.Providers = false, nil })
		if err = m.become(ctx, m.state()); !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.UnknownOutcome) {
			return err
		}
	}
	return err
}

func (m mark) usable() error {
	switch m.state() {
	case unfinished:
		return fault.New(fault.Conflict, "unfinished_copy", fmt.Sprintf(
			"it is an unfinished copy of %q: run `patchbay storage copy` again until it says that the two are equal", m.origin().Of))
	case moved:
		return fault.New(fault.Conflict, "store_moved", fmt.Sprintf(
			"it was moved to %q, and both would answer to the same keys: write storage.provider: %[1]s. "+
				"To serve from this one again, and not from that, run `patchbay storage reopen`", m.origin().To))
	}
	return nil
}

func withoutMark(page []ports.Entry) []ports.Entry {
	return slices.DeleteFunc(page, func(e ports.Entry) bool {
		return e.Record != nil && e.Record.Kind == markKind && e.Record.Tenant == "" && e.Record.ID == markID
	})
}
