package sqlitestore

import (
	"context"

	"patchbay/core/event"
	"patchbay/ports"
)

// publish appends events in the transaction of the write that they report. Only the single
// writer assigns numbers, so the feed has no gaps: a batch that is rolled back takes its
// numbers with it.
func (b *batch) publish(events []event.Event) error {
	for _, e := range events {
		b.w.seq++
		if _, err := b.statements.publish.ExecContext(b, b.w.seq, e.Tenant, e.ID, e.Type, e.Subject, micros(e.At), []byte(e.Data)); err != nil {
			return err
		}
	}
	return nil
}

// count reads the number of the last event in the feed.
func (b *batch) count() error {
	return b.w.conn.QueryRowContext(b, `SELECT coalesce(max(seq), 0) FROM feed`).Scan(&b.w.seq)
}

// Publish implements ports.Journal. It does nothing, because every save publishes its
// events.
func (j journal) Publish(context.Context, int) (int, error) { return 0, nil }

// Feed implements ports.Journal.
func (j journal) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	statement, args := j.reader.feed, []any{tenant, after, n}
	if tenant == ports.AllTenants {
		statement, args = j.reader.feedOfAll, args[1:]
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return nil, classify("sqlitestore.feed", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var events []event.Event
	for pager := ports.NewPager(n); rows.Next(); {
		e, err := scanEvent(rows)
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

func scanEvent(row scanner) (event.Event, error) {
	var e event.Event
	var at int64
	err := row.Scan(&e.Seq, &e.Tenant, &e.ID, &e.Type, &e.Subject, &at, (*[]byte)(&e.Data))
	e.At = moment(at)
	return e, err
}
