package sqlitestore

import (
	"context"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/ports"
)

// publish appends events in the transaction of the write that they report. Only the single
// writer assigns numbers, so the feed has no gaps: a batch that is rolled back takes its
// numbers with it.
func (b *batch) publish(events []event.Event) error {
	for _, e := range events {
		b.w.seq++
		e.Seq = b.w.seq
		if _, err := b.statements.publish.ExecContext(b, table.EventValues(&e)...); err != nil {
			return err
		}
	}
	return nil
}

// readLastSeq reads the number of the last event in the feed.
func (b *batch) readLastSeq() error {
	return b.w.conn.QueryRowContext(b, `SELECT coalesce(max(seq), 0) FROM feed`).Scan(&b.w.seq)
}

// Publish implements ports.Feed. It does nothing, because every save publishes its
// events.
func (s *Store) Publish(context.Context, int) (int, error) { return 0, nil }

// Feed implements ports.Feed.
func (s *Store) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	statement, args := s.reader.feed, []any{tenant, after, n}
	if tenant == ports.AllTenants {
		statement, args = s.reader.feedOfAll, args[1:]
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return nil, classify("sqlitestore.feed", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var events []event.Event
	for pager := ports.NewPager(n); rows.Next(); {
		e, err := table.ScanEvent(rows)
		if err != nil {
			return nil, classify("sqlitestore.feed", err)
		}
		if !pager.Take(len(e.Data)) {
			break
		}
		events = append(events, e)
	}
	return events, classify("sqlitestore.feed", rows.Err())
}
