package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

const (
	// insertEvents inserts the events of a save, $1 to $6, into patchbay_told if the save
	// succeeds.
	insertEvents = `, t AS (INSERT INTO patchbay_told (tenant, id, type, subject, at, data)
		SELECT e.* FROM s, unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[]) AS e)
		SELECT count(*) FROM s`

	// now is the database's own clock, which leases use.
	now = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

	insertion = `WITH s AS (INSERT INTO patchbay_record (` + table.SavedNames + `)
		VALUES ($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) ON CONFLICT DO NOTHING RETURNING 1)`
	replacement = `WITH s AS (UPDATE patchbay_record SET (` + table.ReplacedNames + `)
		= ($10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, coalesce($23, terms))
		WHERE kind = $7 AND tenant = $8 AND id = $9 AND rev = $10::bigint - 1 RETURNING 1)`

	insertRecord = insertion + insertEvents
	updateRecord = replacement + insertEvents
)

// Save implements ports.Records.
func (s *Store) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		errs[i] = s.save(ctx, r)
	}
	return errs
}

func (s *Store) save(ctx context.Context, r *ports.Record) (err error) {
	c := &change{Record: *r} // the caller may have given up, and change its own
	if c.values, err = values(&c.Record); err != nil {
		return err
	}
	save := s.recordSaves.do
	if r.Size() > maxShared {
		save = s.saveRecord
	}
	saved, err := save(ctx, c)
	return saving(r, saved, err)
}

// values returns what a save of a record writes.
func values(r *ports.Record) ([]any, error) {
	if err := record.Storable(r); err != nil {
		return nil, err
	}
	all := table.RecordValues(r, r.Rev+1)
	return all[: len(all)-1 : len(all)-1], nil
}

// saving returns the result of a save.
func saving(r *ports.Record, saved bool, err error) error {
	if !saved && err == nil || fault.Is(err, fault.Conflict) {
		return table.ErrRecordConflict
	}
	if err == nil {
		r.Rev++
	}
	return err
}

// Get implements ports.Records.
func (s *Store) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return s.recordReads.do(ctx, recordID{kind, tenant, id})
}

// GetAll implements ports.Records.
func (s *Store) GetAll(ctx context.Context, tenant, kind string, ids ...string) (all []ports.Record, err error) {
	const query = `SELECT ` + table.RecordColumns + ` FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND id = ANY ($3::text[])`
	err = s.rows(ctx, "pgstore.records", query, []any{kind, tenant, append([]string{}, ids...)}, func(row pgx.Rows) error {
		r, err := table.ScanRecord(row)
		all = append(all, r)
		return err
	})
	return all, err
}

// Find implements ports.Records.
func (s *Store) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	query := `SELECT ` + table.RecordColumns + ` FROM patchbay_record WHERE kind = $1 AND idem = $2`
	if by == ports.ByRef {
		query = `SELECT ` + table.RecordColumns + ` FROM patchbay_record WHERE kind = $1 AND ref = $2`
	}
	return readOne(ctx, s, "pgstore.record", query, table.ScanRecord, kind, value)
}

// Claim implements ports.Queue. It skips records that another process is claiming at the
// same time.
func (s *Store) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	const query = `WITH ready AS (
			SELECT kind, tenant, id, due AS since, owner AS before FROM patchbay_record
			WHERE queue = $1 AND due <= ` + now + ` AND tenant <> ALL ($5::text[])
			ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE patchbay_record r SET rev = r.rev + 1, owner = $2, due = ` + now + ` + $3 FROM ready
			WHERE r.kind = ready.kind AND r.tenant = ready.tenant AND r.id = ready.id
			RETURNING r.*, ready.since, ready.before
		) SELECT ` + table.RecordColumns + `, before <> '' FROM taken ORDER BY since`
	var claims []ports.Claim
	err := s.with(ctx, "pgstore.claim", func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault("pgstore.claim", each(ctx, c, query, []any{queue, owner, lease.Microseconds(), n, append([]string{}, except...)}, func(row pgx.Rows) (err error) {
			var c ports.Claim
			c.Record, err = table.ScanRecord(row, &c.Expired)
			claims = append(claims, c)
			return err
		}))
	})
	if err != nil {
		return nil, err // records claimed nevertheless come due again
	}
	return claims, nil
}

// Count implements ports.Queue.
func (s *Store) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	const query = `SELECT
			(SELECT count(*) FROM (SELECT 1 FROM patchbay_record r WHERE s.queue <> '' AND r.queue = s.queue LIMIT $4) AS found)
			+ (SELECT count(*) FROM (SELECT 1 FROM patchbay_record r WHERE s.queue = '' AND r.kind = s.kind AND r.flag = s.flag LIMIT $4) AS found),
			coalesce(CASE s.queue WHEN '' THEN (SELECT min(flagged) FROM patchbay_record r WHERE r.kind = s.kind AND r.flag = s.flag)
			ELSE (SELECT min(due) FROM patchbay_record r WHERE r.queue = s.queue) END, 0)
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS s (queue, kind, flag, n) ORDER BY n`
	args := arrays(sets, func(set ports.Set) []any { return []any{set.Queue, set.Kind, set.Flag} })
	var counts []ports.Count
	err := s.rows(ctx, "pgstore.count", query, append(args, limit), func(row pgx.Rows) error {
		var c ports.Count
		var first int64
		err := row.Scan(&c.N, &first)
		c.First = table.Moment(first)
		counts = append(counts, c)
		return err
	})
	return counts, err
}

// Purge implements ports.Maintenance.
func (s *Store) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	const query = `WITH old AS (
			SELECT kind, tenant, id FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND created < $3 AND queue IS NULL
			ORDER BY created LIMIT $4 FOR UPDATE SKIP LOCKED
		), children AS (
			DELETE FROM patchbay_record r USING old WHERE r.tenant = old.tenant AND r.parent = old.kind || '|' || old.id
		), gone AS (
			DELETE FROM patchbay_record r USING old WHERE r.kind = old.kind AND r.tenant = old.tenant AND r.id = old.id
		) SELECT count(*) FROM old`
	purged, err := s.write(ctx, "pgstore.purge", query, kind, tenant, table.Micros(before), n)
	return int(purged), err
}

// Ping implements ports.Maintenance by writing.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.write(ctx, "pgstore.ping", `INSERT INTO patchbay_ping (one, at) VALUES (1, `+now+`)
		ON CONFLICT (one) DO UPDATE SET at = excluded.at RETURNING at`)
	return err
}

// columns returns events as arrays, one for each column but the number.
func columns(events []event.Event) []any {
	return arrays(events, func(e event.Event) []any { return table.EventValues(&e)[1:] })
}
