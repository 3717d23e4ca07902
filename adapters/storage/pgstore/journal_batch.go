package pgstore

import (
	"cmp"
	"context"
	"slices"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/ports"
)

// recordID identifies a record to be read.
type recordID struct{ kind, tenant, id string }

// change is a record to be saved, with what is written.
type change struct {
	ports.Record
	values []any
}

const (
	recordByID  = `SELECT ` + table.RecordColumns + ` FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND id = $3`
	recordsByID = `SELECT ` + table.RecordColumns + `, n FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (kind, tenant, id, n)
		JOIN patchbay_record USING (kind, tenant, id)`

	changes = `WITH v AS (SELECT * FROM unnest($8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[],
			$16::bigint[], $17::text[], $18::bigint[], $19::text[], $20::text[], $21::bigint[], $22::bytea[], $23::bytea[], $24::text[])
			WITH ORDINALITY AS v (` + table.SavedNames + `, n)
		), `
	insertRecords = changes + `s AS (INSERT INTO patchbay_record (` + table.SavedNames + `) SELECT ` + table.SavedNames + ` FROM v ORDER BY n
			ON CONFLICT DO NOTHING RETURNING kind, tenant, id
		), made AS (SELECT n FROM v JOIN s USING (kind, tenant, id))` + insertAllEvents
	updateRecords = changes + `made AS (UPDATE patchbay_record r SET (` + table.ReplacedNames + `)
			= (v.rev, v.idem, v.ref, v.status, v.customer, v.created, v.queue, v.due, v.owner, v.flag, v.flagged, v.body, v.content, coalesce(v.terms, r.terms))
			FROM v WHERE r.kind = v.kind AND r.tenant = v.tenant AND r.id = v.id AND r.rev = v.rev - 1 RETURNING n)` + insertAllEvents
)

func (s *Store) getRecord(ctx context.Context, ask recordID) (ports.Record, error) {
	return readOne(ctx, s, "pgstore.record", recordByID, table.ScanRecord, ask.kind, ask.tenant, ask.id)
}

func (s *Store) getRecords(ctx context.Context, all []*call[recordID, ports.Record]) error {
	return readSeveral(ctx, s, "pgstore.record", recordsByID, all, func(k recordID) []any { return []any{k.kind, k.tenant, k.id} }, table.ScanRecord)
}

func (s *Store) saveRecord(ctx context.Context, c *change) (bool, error) {
	query := insertRecord
	if c.Rev > 0 {
		query = updateRecord
	}
	n, err := s.write(ctx, "pgstore.save", query, append(columns(c.Events), c.values...)...)
	return n > 0, err
}

// saveRecords inserts first, and each in the order of keys and ids, so that two gateways
// that save the same records do not deadlock.
func (s *Store) saveRecords(ctx context.Context, all []*call[*change, bool]) error {
	all = distinct(all, func(c *change) recordID { return recordID{c.Kind, c.Tenant, c.ID} })
	slices.SortFunc(all, func(a, b *call[*change, bool]) int {
		return cmp.Or(cmp.Compare(min(a.ask.Rev, 1), min(b.ask.Rev, 1)), cmp.Compare(a.ask.Idem, b.ask.Idem), cmp.Compare(a.ask.ID, b.ask.ID))
	})
	updates := slices.IndexFunc(all, func(c *call[*change, bool]) bool { return c.ask.Rev > 0 })
	if updates < 0 {
		updates = len(all)
	}
	return commit(ctx, s, "pgstore.save", writing(insertRecords, all[:updates]), writing(updateRecords, all[updates:]))
}

// writing returns the statement that saves records.
func writing(query string, all []*call[*change, bool]) statement[*change] {
	return statement[*change]{query, all, func(c *change) ([]any, []event.Event) { return c.values, c.Events }}
}
