// Package table holds what the stores have in common: the columns in which records, users and
// events are kept, and the repository of users on a store's own table of them.
package table

import (
	"encoding/json"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// ErrRecordConflict is the error of a save that is refused because of what is stored.
var ErrRecordConflict = fault.New(fault.Conflict, "record_conflict", "the record is taken or has changed")

// ErrNoStore is the error of opening a store that must exist and does not.
var ErrNoStore = fault.New(fault.NotFound, "no_store", "there is no store")

// ErrForeign is the error of opening a store where another program has its tables.
var ErrForeign = fault.New(fault.Invalid, "store_foreign", "the tables there are of another program, or have lost the version of this one")

// Row is one row of a result, by database/sql or by pgx.
type Row interface{ Scan(to ...any) error }

// The columns of records, in the order of RecordValues. A save does not write the last one, and
// one that replaces a record finds it by the first three, and keeps the terms if it has none.
const (
	ReplacedNames = `rev, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content, terms`
	SavedNames    = `kind, tenant, id, ` + ReplacedNames
	RecordNames   = SavedNames + `, parent`
)

// The columns of a record as ScanRecord reads them. A list reads only whether there is a
// content, and only an archive reads the terms.
const (
	shown           = `kind, tenant, id, rev, coalesce(idem, ''), coalesce(ref, ''), status, customer, created, coalesce(queue, ''), due, owner, coalesce(flag, ''), flagged, coalesce(parent, ''), body`
	RecordColumns   = shown + `, content, false`
	ListedColumns   = shown + `, NULL, content IS NOT NULL`
	ArchivedColumns = RecordColumns + `, terms`
)

// The columns of an event, in the order of EventValues and ScanEvent.
const EventColumns = `seq, tenant, id, type, subject, at, data`

// Micros returns how a time is stored: microseconds since 1970, 0 for no time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Moment is the inverse of Micros.
func Moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// optional returns nil for an empty text, which is stored as NULL, so that unique indexes pass
// over it.
func optional(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

// RecordValues returns the values of a record at a revision, in the order of RecordNames.
func RecordValues(r *ports.Record, rev int64) []any {
	content := r.Content
	if len(content) == 0 {
		content = nil
	}
	return []any{
		r.Kind, r.Tenant, r.ID, rev, optional(&r.Idem), optional(&r.Ref), r.Index.Status, r.Index.Customer, Micros(r.Index.Created),
		optional(&r.Queue), Micros(r.Due), r.Owner, optional(&r.Index.Flag), Micros(r.Index.Flagged), r.Body, content, encodeTerms(r.Terms), optional(&r.Parent),
	}
}

// encodeTerms returns terms as record.DecodeTerms reads them, or nil for nil.
func encodeTerms(terms []string) *string {
	if terms == nil {
		return nil
	}
	raw, _ := json.Marshal(terms) // strings always encode
	return new(string(raw))
}

// ScanRecord reads RecordColumns or ListedColumns, and what the row has after them.
func ScanRecord(row Row, more ...any) (ports.Record, error) {
	var r ports.Record
	var created, due, flagged int64
	err := row.Scan(append([]any{
		&r.Kind, &r.Tenant, &r.ID, &r.Rev, &r.Idem, &r.Ref, &r.Index.Status, &r.Index.Customer, &created,
		&r.Queue, &due, &r.Owner, &r.Index.Flag, &flagged, &r.Parent, &r.Body, &r.Content, &r.Partial,
	}, more...)...)
	r.Index.Created, r.Index.Flagged, r.Due = Moment(created), Moment(flagged), Moment(due)
	return r, err
}

// EventValues returns the values of an event.
func EventValues(e *event.Event) []any {
	return []any{e.Seq, e.Tenant, e.ID, e.Type, e.Subject, Micros(e.At), []byte(e.Data)}
}

// ScanEvent reads EventColumns.
func ScanEvent(row Row) (event.Event, error) {
	var e event.Event
	var at int64
	err := row.Scan(&e.Seq, &e.Tenant, &e.ID, &e.Type, &e.Subject, &at, (*[]byte)(&e.Data))
	e.At = Moment(at)
	return e, err
}
