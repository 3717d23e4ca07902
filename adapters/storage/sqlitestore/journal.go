package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Save implements ports.Records.
func (s *Store) Save(ctx context.Context, records ...*ports.Record) []error {
	errs, err := write(ctx, s.writer, func(b *batch) ([]error, error) {
		refused := make([]error, len(records))
		for i, r := range records {
			var err error
			if refused[i], err = b.save(r); err != nil {
				return nil, err
			}
		}
		return refused, nil
	})
	if err != nil {
		return slices.Repeat([]error{err}, len(records))
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
	stmt, values := b.insertRecord, table.RecordValues(r, r.Rev+1)
	if values = values[:len(values)-1]; r.Rev > 0 {
		stmt, values = b.updateRecord, append(values[3:], values[:3]...)
	}
	changed, err := affected(stmt.ExecContext(b, values...))
	if err != nil {
		return nil, err
	}
	if changed == 0 {
		return table.ErrRecordConflict, nil
	}
	return nil, b.publish(r.Events)
}

// affected returns the number of rows that a statement has changed.
func affected(res sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// Get implements ports.Records.
func (s *Store) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return scanRecord(s.reader.getRecord.QueryRowContext(quick(ctx), kind, tenant, id))
}

// GetAll implements ports.Records.
func (s *Store) GetAll(ctx context.Context, tenant, kind string, ids ...string) (all []ports.Record, err error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, classify("sqlitestore.records", err)
	}
	rows, err := s.reader.getAll.QueryContext(ctx, kind, tenant, string(list))
	if err != nil {
		return nil, classify("sqlitestore.records", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, classify("sqlitestore.records", rows.Err())
}

// Find implements ports.Records.
func (s *Store) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	stmt := s.reader.findIdem
	if by == ports.ByRef {
		stmt = s.reader.findRef
	}
	return scanRecord(stmt.QueryRowContext(quick(ctx), kind, value))
}

// quick removes cancellation from a context. For a read of one row, which takes
// microseconds, the driver would start two goroutines to watch for it.
func quick(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

func scanRecord(row table.Row) (ports.Record, error) {
	r, err := table.ScanRecord(row)
	return r, classify("sqlitestore.record", err)
}

// Claim implements ports.Queue.
func (s *Store) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	excluded, err := json.Marshal(append([]string{}, except...))
	if err != nil {
		return nil, classify("sqlitestore.claim", err)
	}
	now := s.clock.Now()
	due := dueFrom{queue: queue, now: table.Micros(now), except: string(excluded)}
	// Checking first spares the writer an empty transaction, and the scan past the excluded
	// tenants.
	err = s.reader.firstDue.QueryRowContext(quick(ctx), due.queue, due.now, due.except).Scan(&due.first)
	if fault.Is(classify("", err), fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, classify("sqlitestore.claim", err)
	}
	return write(ctx, s.writer, func(b *batch) ([]ports.Claim, error) { return b.claimDue(due, owner, now.Add(lease), n) })
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
		if _, err := b.claim.ExecContext(b, owner, table.Micros(until), r.Kind, r.Tenant, r.ID); err != nil {
			return nil, err
		}
		r.Rev, r.Owner, r.Due = r.Rev+1, owner, table.Moment(table.Micros(until))
	}
	return claims, nil
}

// Count implements ports.Queue.
func (s *Store) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	counts := make([]ports.Count, len(sets))
	for i, set := range sets {
		stmt, args := s.reader.countFlag, []any{set.Kind, set.Flag, limit, set.Kind, set.Flag}
		if set.Queue != "" {
			stmt, args = s.reader.countQueue, []any{set.Queue, limit, set.Queue}
		}
		var first int64
		if err := stmt.QueryRowContext(ctx, args...).Scan(&counts[i].N, &first); err != nil {
			return nil, classify("sqlitestore.count", err)
		}
		counts[i].First = table.Moment(first)
	}
	return counts, nil
}

// Purge implements ports.Maintenance.
func (s *Store) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	return write(ctx, s.writer, func(b *batch) (int, error) {
		args := []any{kind, tenant, table.Micros(before), n}
		if _, err := b.purgeChildren.ExecContext(b, args...); err != nil {
			return 0, err
		}
		return affected(b.purge.ExecContext(b, args...))
	})
}

// Ping implements ports.Maintenance by writing.
func (s *Store) Ping(ctx context.Context) error {
	return s.writer.submit(ctx, func(b *batch) error {
		_, err := b.ping.ExecContext(b, table.Micros(s.clock.Now()))
		return err
	})
}
