package storecopy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/ports"
)

// A mark is a record in each store that says what the store is. It belongs to the store itself,
// and is never copied.
const (
	markKind = "store"
	markID   = "mark"
)

// States of a store that is not new.
const (
	unfinished = "unfinished_copy"
	finished   = "finished_copy"
	inUse      = "in_use"
	moved      = "moved"
)

// mark is the mark of a store. Its state is the status of its record.
type mark = record.Entry[origin]

// origin is the body of a mark. Stores have the names of their providers.
type origin struct {
	Of    string `json:"copyOf,omitempty"`
	To    string `json:"movedTo,omitempty"`
	Older bool   `json:"older,omitempty"` // it was copied from a restored older copy of its store, and not used since
	// Payments are the payment providers of the gateway that was last started on the store.
	Payments []string `json:"payments,omitempty"`
	Restore
}

// Restore describes the restore of a store from an older copy.
type Restore struct {
	// At is when the restored copy was first used, zero if there never was a restore.
	At time.Time `json:"restoredAt,omitzero"`
	// Since is the start of the period that the restored copy may lack, by the clock of those who
	// wrote it: everything before Since is in the copy. It is zero if unknown.
	Since time.Time `json:"restoredSince,omitzero"`
	// Unrecalled means that the payments which the providers have for that period are not in the
	// store again yet. Marks of earlier versions do not have it: their gateways looked for 72
	// hours.
	Unrecalled bool `json:"unrecalled,omitempty"`
	// Providers are the payment providers that may have been used in that period: those configured
	// when the copy was made, and those configured when it was first used.
	Providers []string `json:"providers,omitempty"`
	// Lost is the longest period that any restored copy lacked, over all restores. Marks of
	// earlier versions do not have it.
	Lost time.Duration `json:"lost,omitempty"`
}

// lost returns the longest period that may be missing from the store.
func (r Restore) lost() time.Duration {
	switch {
	case r.At.IsZero():
		return 0
	case r.Since.IsZero():
		return max(r.Lost, idempotency.Kept)
	}
	return max(r.Lost, r.At.Sub(r.Since))
}

// again returns the Restore after another restore, at the given time, of a copy whose last event
// was written at written. What was not recalled after the previous restore is still to be
// recalled.
func (r Restore) again(at, written time.Time, providers []string) Restore {
	since, all := written, slices.Clone(providers)
	if r.Unrecalled {
		before := r.Since
		if before.IsZero() {
			before = r.At.Add(-idempotency.Kept)
		}
		if since.IsZero() || before.Before(since) {
			since = before
		}
		all = append(all, r.Providers...)
	}
	// Even if the clock is behind, At must increase: what was recalled after the previous restore
	// is not recalled after this one.
	if !at.After(r.At) {
		at = r.At.Add(time.Microsecond)
	}
	slices.Sort(all)
	next := Restore{At: at, Since: since, Unrecalled: true, Providers: slices.Compact(all), Lost: r.lost()}
	next.Lost = next.lost()
	return next
}

// marks returns the Repository of a store's mark. A new store gets one without a state.
func marks(j ports.Records, clock ports.Clock) record.Repository[mark] {
	marks := record.Of(j, markKind, func(origin, string) bool { return true })
	blank := marks.New
	marks.New = func(tenant, id string) mark {
		m := blank(tenant, id)
		m.Record.Index.Created = clock.Now()
		return m
	}
	return marks
}

func readMark(ctx context.Context, j ports.Records, clock ports.Clock) (mark, error) {
	return marks(j, clock).Open(ctx, "", markID)
}

// changeMark changes a store's mark, and repeats that if somebody else has written it.
func changeMark(ctx context.Context, j ports.Records, clock ports.Clock, change func(*mark) error) (origin, error) {
	m, err := marks(j, clock).Put(ctx, "", markID, change)
	return m.Value, err
}

func state(m mark) string { return m.Record.Index.Status }

// setState writes a mark with a state, unless somebody else has written it since it was read.
func setState(ctx context.Context, j ports.Records, m *mark, state string) error {
	m.Record.Index.Status = state
	err := marks(j, nil).Save(ctx, m)
	if fault.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "target_taken", "another command is copying into the target, or a gateway has begun to use it")
	}
	return err
}

// Use marks a store as in use; from then on nothing is copied into it. payments are the
// configured payment providers. older reports that the store was replaced by an older copy or by
// an empty store. restored describes the last restore that was reported for the store.
//
// Conflict with code unfinished_copy or store_moved: the store must not be used. Otherwise as
// for the store.
func Use(ctx context.Context, j ports.Journal, clock ports.Clock, older bool, payments ...string) (restored Restore, err error) {
	o, err := changeMark(ctx, j, clock, func(m *mark) error {
		if err := usable(*m); err != nil {
			return err
		}
		o := &m.Value
		before := o.Payments
		switch {
		case state(*m) == inUse && !older && (len(payments) == 0 || slices.Equal(before, payments)):
			return record.ErrUnchanged
		case older || o.Older:
			written, err := lastWrite(ctx, j)
			if err != nil {
				return err
			}
			o.Restore, o.Older = o.again(clock.Now(), written, slices.Concat(before, payments)), false
		}
		if len(payments) > 0 {
			o.Payments = payments
		}
		m.Record.Index.Status = inUse
		return nil
	})
	return o.Restore, err
}

// Recalled records in the store that the payments which the providers have are in it again,
// after the restore at the given time. If there was a later restore, it changes nothing. Errors
// as for the store.
func Recalled(ctx context.Context, j ports.Records, clock ports.Clock, at time.Time) error {
	_, err := changeMark(ctx, j, clock, func(m *mark) error {
		o := &m.Value
		if !o.Unrecalled || !o.At.Equal(at) {
			return record.ErrUnchanged
		}
		o.Unrecalled, o.Providers = false, nil
		return nil
	})
	return err
}

func usable(m mark) error {
	switch state(m) {
	case unfinished:
		return fault.New(fault.Conflict, "unfinished_copy", fmt.Sprintf(
			"it is an unfinished copy of %q: run `patchbay storage copy` again until it says that the two are equal", m.Value.Of))
	case moved:
		return fault.New(fault.Conflict, "store_moved", fmt.Sprintf(
			"it was moved to %q, and both would answer to the same keys: write storage.provider: %[1]s. "+
				"To serve from this one again, and not from that, run `patchbay storage reopen`", m.Value.To))
	}
	return nil
}

func withoutMark(page []ports.Entry) []ports.Entry {
	return slices.DeleteFunc(page, func(e ports.Entry) bool {
		return e.Record != nil && e.Record.Kind == markKind && e.Record.Tenant == "" && e.Record.ID == markID
	})
}
