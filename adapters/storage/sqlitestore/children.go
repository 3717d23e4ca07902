package sqlitestore

import (
	"cmp"
	"context"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Attach implements ports.Children. The record and its children are one write.
func (s *Store) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	err := s.with(ctx, parent, func(b *batch) error {
		for _, c := range children {
			one := *c
			one.Parent = parent.Name()
			if _, err := b.attach.ExecContext(b, table.RecordValues(&one, 1)...); err != nil {
				return err
			}
		}
		return nil
	})
	if fault.Is(err, fault.Conflict) {
		return table.ErrRecordConflict
	}
	if err != nil {
		return err
	}
	for _, c := range children {
		c.Parent, c.Rev = parent.Name(), 1
	}
	return nil
}

// Detach implements ports.Children.
func (s *Store) Detach(ctx context.Context, parent *ports.Record) error {
	return s.with(ctx, parent, func(b *batch) error {
		_, err := b.detach.ExecContext(b, parent.Tenant, parent.Name())
		return err
	})
}

// with saves a record and, if that is not refused, runs more in the same write.
func (s *Store) with(ctx context.Context, r *ports.Record, more func(b *batch) error) error {
	refused, err := write(ctx, s.writer, func(b *batch) (refused, err error) {
		if refused, err = b.save(r); refused != nil || err != nil {
			return refused, err
		}
		return nil, more(b)
	})
	if err = cmp.Or(err, refused); err == nil {
		r.Rev++
	}
	return err
}

// Sweep implements ports.Children. It does nothing, because no child is stored without its
// record.
func (s *Store) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }
