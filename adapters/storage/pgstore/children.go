package pgstore

import (
	"context"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/record"
	"patchbay/ports"
)

// A record and its children are written by one statement, like everything else.
const (
	attachRecord = insertion + `, c AS (INSERT INTO patchbay_record (` + table.RecordNames + `) SELECT e.* FROM s,
		unnest($24::text[], $25::text[], $26::text[], $27::bigint[], $28::text[], $29::text[], $30::text[], $31::text[], $32::bigint[],
		$33::text[], $34::bigint[], $35::text[], $36::text[], $37::bigint[], $38::bytea[], $39::bytea[], $40::text[], $41::text[]) AS e)` + insertEvents
	detachRecord = replacement + `, c AS (DELETE FROM patchbay_record USING s WHERE tenant = $8 AND parent = $7 || '|' || $9)` + insertEvents
)

// Attach implements ports.Children.
func (s *Store) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := record.Attachable(parent, children); err != nil {
		return err
	}
	if len(children) == 0 {
		return s.save(ctx, parent)
	}
	err := s.saveWith(ctx, parent, attachRecord, arrays(children, func(c *ports.Record) []any {
		one := *c
		one.Parent = parent.Name()
		return table.RecordValues(&one, 1)
	})...)
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
	return s.saveWith(ctx, parent, detachRecord)
}

// Sweep implements ports.Children. It does nothing, because no child is stored without its
// record.
func (s *Store) Sweep(context.Context, time.Time, int) (int, error) { return 0, nil }

// saveWith writes a record and its events with one statement, which has further arguments.
func (s *Store) saveWith(ctx context.Context, r *ports.Record, statement string, more ...any) error {
	values, err := values(r)
	if err != nil {
		return err
	}
	n, err := s.write(ctx, "pgstore.save", statement, append(append(columns(r.Events), values...), more...)...)
	return saving(r, n > 0, err)
}
