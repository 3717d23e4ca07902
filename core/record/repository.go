// Package record reads, finds, changes and lists the records of a journal as values of Go types.
// All use cases keep their records by it, so that there is one way to decode a body, one to walk
// through a kind, and one to save a change that others may be making too.
package record

import (
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/ports"
)

// pageSize is the number of records that Walk reads at a time. A journal ends a page earlier if
// its records are large.
const pageSize = 100

// Repository holds the records of one kind. A T is what a use case has in memory of one of them:
// an Entry, or a type that has more than the record. Of and Raw return Repositories; one for
// another T sets Journal, Kind, Decode, Record and Save.
//
// Errors are those of the journal and of Decode.
type Repository[T any] struct {
	Journal ports.Records
	Kind    string
	// Decode reads a T from its record.
	Decode func(ports.Record) (T, error)
	// Record returns the record of a T.
	Record func(*T) *ports.Record
	// Save encodes a T into its record, and saves that once.
	Save func(context.Context, *T) error
	// New returns the T of a record that is not stored. It is needed by Open and Put.
	New func(tenant, id string) T
	// Keep, if set, copies to what an update has read again what a T has besides its record.
	Keep func(before, fresh *T)
	// Taken, if set, returns the error of an update whose T has the Idem or the Ref of another
	// record. Without it, that is the Conflict of the journal.
	Taken func(*T) error

	insisting bool
}

// Entry is a value with its record.
type Entry[V any] struct {
	Value  V
	Record ports.Record
}

// Encode writes the value into the body of its record.
func (e *Entry[V]) Encode() (err error) {
	if e.Record.Body, err = json.Marshal(e.Value); err != nil {
		return fault.Wrap(fault.Internal, "encode "+e.Record.Kind, err)
	}
	return nil
}

// Of returns the Repository of a kind whose bodies are Vs. holds reports whether a value is the
// one that belongs to the id of a record: see Decode.
func Of[V any](j ports.Records, kind string, holds func(v V, id string) bool) Repository[Entry[V]] {
	return Repository[Entry[V]]{
		Journal: j, Kind: kind,
		Decode: func(r ports.Record) (Entry[V], error) {
			v, err := Decode(r, func(v V) bool { return holds(v, r.ID) })
			return Entry[V]{v, r}, err
		},
		Record: func(e *Entry[V]) *ports.Record { return &e.Record },
		Save: func(ctx context.Context, e *Entry[V]) error {
			if err := e.Encode(); err != nil {
				return err
			}
			return j.Save(ctx, &e.Record)[0]
		},
		New: func(tenant, id string) Entry[V] {
			return Entry[V]{Record: ports.Record{Tenant: tenant, Kind: kind, ID: id}}
		},
	}
}

// Raw returns the Repository of a kind whose bodies are not decoded.
func Raw(j ports.Records, kind string) Repository[ports.Record] {
	return Repository[ports.Record]{
		Journal: j, Kind: kind,
		Decode: func(r ports.Record) (ports.Record, error) { return r, nil },
		Record: func(r *ports.Record) *ports.Record { return r },
		Save:   func(ctx context.Context, r *ports.Record) error { return j.Save(ctx, r)[0] },
	}
}

// Get reads one record. NotFound.
func (r Repository[T]) Get(ctx context.Context, tenant, id string) (T, error) {
	return r.decode(r.Journal.Get(ctx, tenant, r.Kind, id))
}

// Find reads one record by a unique field, in any tenant. NotFound, also for an empty value.
func (r Repository[T]) Find(ctx context.Context, by ports.Unique, value string) (T, error) {
	return r.decode(r.Journal.Find(ctx, r.Kind, by, value))
}

// Open reads one record, or returns a New one if it is not stored.
func (r Repository[T]) Open(ctx context.Context, tenant, id string) (T, error) {
	v, err := r.Get(ctx, tenant, id)
	if fault.Is(err, fault.NotFound) {
		return r.New(tenant, id), nil
	}
	return v, err
}

func (r Repository[T]) decode(one ports.Record, err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	return r.Decode(one)
}

// List reads one page, newest first: see ports.Records. A record with a Content is Partial: it is
// read again before it is saved.
func (r Repository[T]) List(ctx context.Context, tenant string, f ports.Filter, cursor string, limit int) (page []T, next string, err error) {
	records, err := r.Journal.List(ctx, tenant, r.Kind, f, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	page = make([]T, len(records.Records))
	for i, one := range records.Records {
		if page[i], err = r.Decode(one); err != nil {
			return nil, "", err
		}
	}
	return page, records.Next, nil
}

// Walk passes all records of a tenant to each, newest first, as List reads them. They may be
// saved in the meantime. After every page it passes the number of its records to examined, unless
// that is nil. An error returned by either ends the walk.
func (r Repository[T]) Walk(ctx context.Context, tenant string, f ports.Filter, examined func(int) error, each func(T) error) error {
	return r.WalkPast(ctx, tenant, f, examined, func(_ ports.Record, err error) error { return err }, each)
}

// WalkPast is Walk that passes a record that cannot be decoded to undecodable, with the error, and goes on if that
// returns none.
func (r Repository[T]) WalkPast(
	ctx context.Context, tenant string, f ports.Filter, examined func(int) error, undecodable func(ports.Record, error) error, each func(T) error,
) error {
	for cursor := ""; ; {
		page, err := r.Journal.List(ctx, tenant, r.Kind, f, cursor, pageSize)
		if err != nil {
			return err
		}
		for _, one := range page.Records {
			v, err := r.Decode(one)
			if err == nil {
				err = each(v)
			} else {
				err = undecodable(one, err)
			}
			if err != nil {
				return err
			}
		}
		if examined != nil {
			if err := examined(len(page.Records)); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
