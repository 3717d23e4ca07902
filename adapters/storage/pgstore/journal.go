package pgstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

var _ ports.Journal = journal{}

type journal struct{ *Store }

var errRecordConflict = fault.New(fault.Conflict, "record_conflict", "the record is taken or has changed")

const (
	shownColumns  = `tenant, kind, id, coalesce(parent, ''), rev, coalesce(idem, ''), coalesce(ref, ''), status, customer, created, coalesce(queue, ''), due, owner, coalesce(flag, ''), flagged, body`
	recordColumns = shownColumns + `, content, false`
	listedColumns = shownColumns + `, NULL::bytea, content IS NOT NULL`

	// tells inserts the events of a save into patchbay_told if the save succeeds. Its
	// arrays are the last parameters.
	tells = `, t AS (INSERT INTO patchbay_told (tenant, id, type, subject, at, data)
		SELECT e.* FROM s, unnest($%T::text[], $%I::text[], $%Y::text[], $%S::text[], $%A::bigint[], $%D::bytea[]) AS e)
		SELECT count(*) FROM s`

	// now is the database's own clock, which leases use.
	now = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`
)

// telling completes a statement that has n parameters of its own.
func telling(statement string, n int) string { return numbered(statement, tells, "TIYSAD", n) }

func numbered(statement, tells, letters string, n int) string {
	pairs := make([]string, 0, 2*len(letters))
	for i := range letters {
		pairs = append(pairs, "%"+letters[i:i+1], itoa(n+1+i))
	}
	return statement + strings.NewReplacer(pairs...).Replace(tells)
}

const (
	insertion = `WITH s AS (INSERT INTO patchbay_record (rev, kind, tenant, id, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content)
		VALUES (1, $1, $2, $3, nullif($4,''), nullif($5,''), $6, $7, $8, nullif($9,''), $10, $11, nullif($12,''), $13, $14, $15) ON CONFLICT DO NOTHING RETURNING 1)`
	replacement = `WITH s AS (UPDATE patchbay_record SET rev = rev + 1, idem = nullif($4,''), ref = nullif($5,''), status = $6, customer = $7,
		created = $8, queue = nullif($9,''), due = $10, owner = $11, flag = nullif($12,''), flagged = $13, body = $14, content = $15
		WHERE kind = $1 AND tenant = $2 AND id = $3 AND rev = $16 RETURNING 1)`
)

var (
	insertRecord = telling(insertion, 15)
	updateRecord = telling(replacement, 16)
)

// Save implements ports.Journal.
func (j journal) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	for i, r := range records {
		errs[i] = j.save(ctx, r)
	}
	return errs
}

func (j journal) save(ctx context.Context, r *ports.Record) error {
	args, err := j.values(r)
	if err != nil {
		return err
	}
	save := j.saved.do
	if r.Size() > maxShared {
		save = j.saveRecord
	}
	saved, err := save(ctx, change{*r, args})
	return saving(r, saved, err)
}

// values returns the first parameters of a statement that writes a record.
func (journal) values(r *ports.Record) ([]any, error) {
	if err := record.Storable(r); err != nil {
		return nil, err
	}
	return []any{
		r.Kind, r.Tenant, r.ID, r.Idem, r.Ref, r.Index.Status, r.Index.Customer, micros(r.Index.Created),
		r.Queue, micros(r.Due), r.Owner, r.Index.Flag, micros(r.Index.Flagged), r.Body, optional(r.Content),
	}, nil
}

// optional returns nil for empty bytes, which are stored as NULL.
func optional(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// once writes a record and its events with one statement.
func (j journal) once(ctx context.Context, r *ports.Record, statement string, args []any) error {
	n, err := j.write(ctx, "pgstore.save", statement, append(args, columns(r.Events)...)...)
	return saving(r, n > 0, err)
}

// saving returns the result of a save.
func saving(r *ports.Record, saved bool, err error) error {
	if !saved && err == nil || fault.Is(err, fault.Conflict) {
		return errRecordConflict
	}
	if err == nil {
		r.Rev++
	}
	return err
}

// columns returns events as arrays, one for each column.
func columns(events []event.Event) []any {
	var tenants, ids, types, subjects []string
	var at []int64
	var data [][]byte
	for _, e := range events {
		tenants, ids, types, subjects = append(tenants, e.Tenant), append(ids, e.ID), append(types, e.Type), append(subjects, e.Subject)
		at, data = append(at, micros(e.At)), append(data, e.Data)
	}
	return []any{tenants, ids, types, subjects, at, data}
}

// Get implements ports.Journal.
func (j journal) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return j.kept.do(ctx, recordID{kind, tenant, id})
}

// Find implements ports.Journal.
func (j journal) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	query := `SELECT ` + recordColumns + ` FROM patchbay_record WHERE kind = $1 AND idem = $2`
	if by == ports.ByRef {
		query = `SELECT ` + recordColumns + ` FROM patchbay_record WHERE kind = $1 AND ref = $2`
	}
	return j.one(ctx, query, kind, value)
}

func (j journal) one(ctx context.Context, query string, args ...any) (r ports.Record, err error) {
	err = j.row(ctx, "pgstore.record", query, args, func(row pgx.Row) (err error) {
		r, err = scanRecord(row)
		return err
	})
	return r, err
}

func scanRecord(row pgx.Row, more ...any) (ports.Record, error) {
	var r ports.Record
	var created, due, flagged int64
	err := row.Scan(append([]any{
		&r.Tenant, &r.Kind, &r.ID, &r.Parent, &r.Rev, &r.Idem, &r.Ref, &r.Index.Status, &r.Index.Customer,
		&created, &r.Queue, &due, &r.Owner, &r.Index.Flag, &flagged, &r.Body, &r.Content, &r.Partial,
	}, more...)...)
	r.Index.Created, r.Index.Flagged, r.Due = moment(created), moment(flagged), moment(due)
	return r, err
}

// Claim implements ports.Journal. It skips records that another process is claiming at the
// same time.
func (j journal) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	const query = `WITH ready AS (
			SELECT kind, tenant, id, due AS since, owner AS before FROM patchbay_record
			WHERE queue = $1 AND due <= ` + now + ` AND tenant <> ALL ($5::text[])
			ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE patchbay_record r SET rev = r.rev + 1, owner = $2, due = ` + now + ` + $3 FROM ready
			WHERE r.kind = ready.kind AND r.tenant = ready.tenant AND r.id = ready.id
			RETURNING r.*, ready.since, ready.before
		) SELECT ` + recordColumns + `, since, before <> '' FROM taken`
	type claim struct {
		ports.Claim
		since int64
	}
	var all []claim
	err := j.with(ctx, "pgstore.claim", func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault("pgstore.claim", each(ctx, c, query, []any{queue, owner, lease.Microseconds(), n, append([]string{}, except...)}, func(row pgx.Rows) (err error) {
			var one claim
			one.Record, err = scanRecord(row, &one.since, &one.Expired)
			all = append(all, one)
			return err
		}))
	})
	if err != nil {
		return nil, err // records claimed nevertheless come due again
	}
	slices.SortFunc(all, func(a, b claim) int { return cmp.Compare(a.since, b.since) })
	var claims []ports.Claim
	for _, one := range all {
		claims = append(claims, one.Claim)
	}
	return claims, nil
}

// Count implements ports.Journal.
func (j journal) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	const query = `SELECT
			(SELECT count(*) FROM (SELECT 1 FROM patchbay_record r WHERE s.queue <> '' AND r.queue = s.queue LIMIT $4) AS found)
			+ (SELECT count(*) FROM (SELECT 1 FROM patchbay_record r WHERE s.queue = '' AND r.kind = s.kind AND r.flag = s.flag LIMIT $4) AS found),
			CASE s.queue WHEN '' THEN (SELECT min(flagged) FROM patchbay_record r WHERE r.kind = s.kind AND r.flag = s.flag)
			ELSE (SELECT min(due) FROM patchbay_record r WHERE r.queue = s.queue) END
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS s (queue, kind, flag, n) ORDER BY n`
	queues, kinds, flags := make([]string, len(sets)), make([]string, len(sets)), make([]string, len(sets))
	for i, set := range sets {
		queues[i], kinds[i], flags[i] = set.Queue, set.Kind, set.Flag
	}
	var counts []ports.Count
	err := j.rows(ctx, "pgstore.count", query, []any{queues, kinds, flags, limit}, func(row pgx.Rows) error {
		var c ports.Count
		var first *int64
		if err := row.Scan(&c.N, &first); err != nil {
			return err
		}
		if first != nil {
			c.First = moment(*first)
		}
		counts = append(counts, c)
		return nil
	})
	return counts, err
}

// Ping implements ports.Journal by writing.
func (j journal) Ping(ctx context.Context) error {
	_, err := j.write(ctx, "pgstore.ping", `INSERT INTO patchbay_ping (one, at) VALUES (1, `+now+`)
		ON CONFLICT (one) DO UPDATE SET at = excluded.at RETURNING at`)
	return err
}
