package sqlitestore

import (
	"context"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Attach implements ports.Journal. The record and its children are one write.
func (j journal) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	err := j.with(ctx, parent, func(b *batch) error {
		for _, c := range children {
			if _, err := b.attach.ExecContext(b, parent.Name(), c.Index.Status, c.Index.Customer, micros(c.Index.Created),
				c.Queue, micros(c.Due), c.Owner, c.Body, c.Kind, c.Tenant, c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if fault.Is(err, fault.Conflict) {
		return errRecordConflict
	}
	if err != nil {
		return err
	}
	for _, c := range children {
		c.Parent, c.Rev = parent.Name(), 1
	}
	return nil
}

// Detach implements ports.Journal.
func (j journal) Detach(ctx context.Context, parent *ports.Record) error {
	return j.with(ctx, parent, func(b *batch) error {
		_, err := b.detach.ExecContext(b, parent.Tenant, parent.Name())
		return err
	})
}

// with saves a record and, if that is not refused, runs more in the same write.
func (j journal) with(ctx context.Context, r *ports.Record, more func(b *batch) error) error {
	var refused error
	err := j.writer.submit(ctx, func(b *batch) (err error) {
		if refused, err = b.save(r); refused != nil || err != nil {
			return err
		}
		return more(b)
	})
	if err != nil {
		return err
	}
	if refused == nil {
		r.Rev++
	}
	return refused
}

// Purge implements ports.Journal.
func (j journal) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	var purged int64
	err := j.writer.submit(ctx, func(b *batch) error {
		args := []any{kind, tenant, micros(before), n}
		if _, err := b.purgeChildren.ExecContext(b, args...); err != nil {
			return err
		}
		gone, err := b.purge.ExecContext(b, args...)
		if err == nil {
			purged, err = gone.RowsAffected()
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(purged), nil
}

// Sweep implements ports.Journal. It does nothing, because no child is stored without its
// record.
func (j journal) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }

// Purge implements ports.UserRepository.
func (u users) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	var purged int64
	err := u.writer.submit(ctx, func(b *batch) error {
		gone, err := b.purgeDeleted.ExecContext(b, micros(before), n)
		if err != nil {
			return err
		}
		if purged, err = gone.RowsAffected(); err != nil {
			return err
		}
		given, err := b.purgeKeys.ExecContext(b, micros(before), int64(n)-purged)
		if err != nil {
			return err
		}
		keys, err := given.RowsAffected()
		purged += keys
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(purged), nil
}
