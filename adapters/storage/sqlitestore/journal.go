package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

var _ ports.Journal = journal{}

type journal struct{ *Store }

var errRecordConflict = fault.New(fault.Conflict, "record_conflict", "the record is taken or has changed")

// Save implements ports.Journal.
func (j journal) Save(ctx context.Context, records ...*ports.Record) []error {
	errs := make([]error, len(records))
	err := j.writer.submit(ctx, func(b *batch) error {
		for i, r := range records {
			var err error
			if errs[i], err = b.save(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		// The writer may still be running: errs belongs to it.
		failed := make([]error, len(records))
		for i := range failed {
			failed[i] = err
		}
		return failed
	}
	for i, r := range records {
		if errs[i] == nil {
			r.Rev++
		}
	}
	return errs
}

// save writes one record. refused is the reason if the data does not allow it.
func (b *batch) save(r *ports.Record) (refused, err error) {
	if err := record.Storable(r); err != nil {
		return err, nil
	}
	stmt := b.insertRecord
	args := [16]any{
		r.Idem, r.Ref, r.Index.Status, r.Index.Customer, micros(r.Index.Created), r.Queue, micros(r.Due), r.Owner,
		r.Index.Flag, micros(r.Index.Flagged), r.Body, optional(r.Content), r.Kind, r.Tenant, r.ID,
	}
	n := 15
	if r.Rev > 0 {
		stmt, args[n], n = b.updateRecord, r.Rev, 16
	}
	changed, err := affected(stmt.ExecContext(b, args[:n]...))
	if err != nil {
		return nil, err
	}
	if !changed {
		return errRecordConflict, nil
	}
	return nil, b.publish(r.Events)
}

// optional returns nil for empty bytes, which are stored as NULL.
func optional(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

func affected(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Get implements ports.Journal.
func (j journal) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return scanRecord(j.reader.getRecord.QueryRowContext(quick(ctx), kind, tenant, id))
}

// Find implements ports.Journal.
func (j journal) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	stmt := j.reader.findIdem
	if by == ports.ByRef {
		stmt = j.reader.findRef
	}
	return scanRecord(stmt.QueryRowContext(quick(ctx), kind, value))
}

// quick removes cancellation from a context. For a read of one row, which takes
// microseconds, the driver would start two goroutines to watch for it.
func quick(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

type scanner interface{ Scan(to ...any) error }

func scanRecord(row scanner) (ports.Record, error) {
	var r ports.Record
	var created, due, flagged int64
	err := row.Scan(&r.Tenant, &r.Kind, &r.ID, &r.Parent, &r.Rev, &r.Idem, &r.Ref, &r.Index.Status, &r.Index.Customer,
		&created, &r.Queue, &due, &r.Owner, &r.Index.Flag, &flagged, &r.Body, &r.Content, &r.Partial)
	r.Index.Created, r.Index.Flagged, r.Due = moment(created), moment(flagged), moment(due)
	return r, classify("sqlitestore.record", err)
}

// Claim implements ports.Journal.
func (j journal) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	passed, err := json.Marshal(append([]string{}, except...))
	if err != nil {
		return nil, classify("sqlitestore.claim", err)
	}
	now := j.clock.Now()
	due := dueFrom{queue: queue, now: micros(now), except: string(passed)}
	// Checking first spares the writer an empty transaction, and the scan past the excluded
	// tenants.
	err = j.reader.firstDue.QueryRowContext(quick(ctx), due.queue, due.now, due.except).Scan(&due.first)
	if fault.Is(classify("", err), fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, classify("sqlitestore.claim", err)
	}
	var claims []ports.Claim
	err = j.writer.submit(ctx, func(b *batch) (err error) {
		claims, err = b.claimDue(due, owner, now.Add(lease), n)
		return err
	})
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// dueFrom selects the due records of a queue, starting at the first one, which was found
// before.
type dueFrom struct {
	queue, except string // a list of tenants
	first, now    int64
}

func (b *batch) claimDue(due dueFrom, owner string, until time.Time, n int) ([]ports.Claim, error) {
	rows, err := b.due.QueryContext(b, due.queue, due.first, due.now, due.except, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var claims []ports.Claim
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		claims = append(claims, ports.Claim{Record: r, Expired: r.Owner != ""})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range claims {
		r := &claims[i].Record
		if _, err := b.claim.ExecContext(b, owner, micros(until), r.Kind, r.Tenant, r.ID); err != nil {
			return nil, err
		}
		r.Rev, r.Owner, r.Due = r.Rev+1, owner, moment(micros(until))
	}
	return claims, nil
}

// Count implements ports.Journal.
func (j journal) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	counts := make([]ports.Count, len(sets))
	for i, set := range sets {
		stmt, args := j.reader.countFlag, []any{set.Kind, set.Flag, limit, set.Kind, set.Flag}
		if set.Queue != "" {
			stmt, args = j.reader.countQueue, []any{set.Queue, limit, set.Queue}
		}
		var first int64
		if err := stmt.QueryRowContext(ctx, args...).Scan(&counts[i].N, &first); err != nil {
			return nil, classify("sqlitestore.count", err)
		}
		counts[i].First = moment(first)
	}
	return counts, nil
}

// Ping implements ports.Journal by writing.
func (j journal) Ping(ctx context.Context) error {
	return j.writer.submit(ctx, func(b *batch) error {
		_, err := b.ping.ExecContext(b, micros(j.clock.Now()))
		return err
	})
}

// micros returns how a time is stored: microseconds since 1970, 0 for no time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
