package pgstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// recordID identifies a record to be read.
type recordID struct{ kind, tenant, id string }

// change is a record to be saved, with the first parameters of the statement that saves it.
type change struct {
	ports.Record
	args []any
}

const (
	recordByID  = `SELECT ` + recordColumns + ` FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND id = $3`
	recordsByID = `SELECT ` + recordColumns + `, n FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS k (kind, tenant, id, n)
		JOIN patchbay_record USING (kind, tenant, id)`

	changes = `WITH v AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
			$9::text[], $10::bigint[], $11::text[], $12::text[], $13::bigint[], $14::bytea[], $15::bytea[], $16::bigint[])
			WITH ORDINALITY AS v (kind, tenant, id, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content, rev, n)
		), `
)

var (
	insertRecords = tellingAll(changes+`s AS (INSERT INTO patchbay_record (rev, kind, tenant, id, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content)
			SELECT 1, kind, tenant, id, nullif(idem, ''), nullif(ref, ''), status, customer, created, nullif(queue, ''), due, owner, nullif(flag, ''), flagged,
			body, content FROM v ORDER BY n
			ON CONFLICT DO NOTHING RETURNING kind, tenant, id
		), made AS (SELECT n FROM v JOIN s USING (kind, tenant, id))`, 16)
	updateRecords = tellingAll(changes+`made AS (UPDATE patchbay_record r SET rev = r.rev + 1, idem = nullif(v.idem, ''), ref = nullif(v.ref, ''), status = v.status,
			customer = v.customer, created = v.created, queue = nullif(v.queue, ''), due = v.due, owner = v.owner,
			flag = nullif(v.flag, ''), flagged = v.flagged, body = v.body, content = v.content
			FROM v WHERE r.kind = v.kind AND r.tenant = v.tenant AND r.id = v.id AND r.rev = v.rev RETURNING n)`, 16)
)

func (s *Store) getRecord(ctx context.Context, ask recordID) (ports.Record, error) {
	return journal{s}.one(ctx, recordByID, ask.kind, ask.tenant, ask.id)
}

func (s *Store) getRecords(ctx context.Context, all []*call[recordID, ports.Record]) error {
	const op = "pgstore.record"
	for _, c := range all {
		c.err = fault.Wrap(fault.NotFound, op, pgx.ErrNoRows)
	}
	args := []any{
		column(all, func(k recordID) string { return k.kind }), column(all, func(k recordID) string { return k.tenant }),
		column(all, func(k recordID) string { return k.id }),
	}
	return s.rows(ctx, op, recordsByID, args, func(row pgx.Rows) error {
		var n int64
		r, err := scanRecord(row, &n)
		if err == nil {
			all[n-1].answer, all[n-1].err = r, nil
		}
		return err
	})
}

func (s *Store) saveRecord(ctx context.Context, c change) (bool, error) {
	query, args := insertRecord, c.args
	if c.Rev > 0 {
		query, args = updateRecord, append(args, c.Rev)
	}
	n, err := s.write(ctx, "pgstore.save", query, append(args, columns(c.Events)...)...)
	return n > 0, err
}

// saveRecords inserts first, and each in the order of keys and ids, so that two gateways
// that save the same records do not deadlock.
func (s *Store) saveRecords(ctx context.Context, all []*call[change, bool]) error {
	all = distinct(all, func(c change) recordID { return recordID{c.Kind, c.Tenant, c.ID} })
	slices.SortFunc(all, func(a, b *call[change, bool]) int {
		return cmp.Or(cmp.Compare(min(a.ask.Rev, 1), min(b.ask.Rev, 1)), cmp.Compare(a.ask.Idem, b.ask.Idem), cmp.Compare(a.ask.ID, b.ask.ID))
	})
	updates := slices.IndexFunc(all, func(c *call[change, bool]) bool { return c.ask.Rev > 0 })
	if updates < 0 {
		updates = len(all)
	}
	var statements []statement[change]
	for _, one := range []statement[change]{{query: insertRecords, calls: all[:updates]}, {query: updateRecords, calls: all[updates:]}} {
		if len(one.calls) > 0 {
			one.args = recordColumnsOf(one.calls)
			statements = append(statements, one)
		}
	}
	return commit(ctx, s, "pgstore.save", statements...)
}

func recordColumnsOf(all []*call[change, bool]) []any {
	text := func(of func(c change) string) any { return column(all, of) }
	number := func(of func(c change) int64) any { return column(all, of) }
	args := []any{
		text(func(c change) string { return c.Kind }), text(func(c change) string { return c.Tenant }), text(func(c change) string { return c.ID }),
		text(func(c change) string { return c.Idem }), text(func(c change) string { return c.Ref }),
		text(func(c change) string { return c.Index.Status }), text(func(c change) string { return c.Index.Customer }),
		number(func(c change) int64 { return micros(c.Index.Created) }), text(func(c change) string { return c.Queue }),
		number(func(c change) int64 { return micros(c.Due) }), text(func(c change) string { return c.Owner }),
		text(func(c change) string { return c.Index.Flag }), number(func(c change) int64 { return micros(c.Index.Flagged) }),
		column(all, func(c change) []byte { return c.Body }),
		column(all, func(c change) []byte { return optional(c.Content) }), number(func(c change) int64 { return c.Rev }),
	}
	return append(args, columnsOfAll(column(all, func(c change) []event.Event { return c.Events }))...)
}
