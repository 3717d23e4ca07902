package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/ports"
)

// publishing is the lock that lets one process at a time append to the feed.
const publishing = migrating + 1

// Publish implements ports.Feed. Sequence numbers are assigned under a lock that is held
// until the commit, so they have no gaps and become visible in order.
func (s *Store) Publish(ctx context.Context, n int) (moved int, err error) {
	const move = `WITH last AS (SELECT coalesce(max(seq), 0) AS seq FROM patchbay_feed), moved AS (
			DELETE FROM patchbay_told WHERE n IN (SELECT n FROM patchbay_told ORDER BY n LIMIT $1) RETURNING *
		), put AS (INSERT INTO patchbay_feed (seq, tenant, id, type, subject, at, data)
			SELECT last.seq + row_number() OVER (ORDER BY moved.n), tenant, id, type, subject, at, data FROM moved, last RETURNING 1
		) SELECT count(*) FROM put`
	// Whether there is anything to publish is read without a lock, because mostly there is not.
	var pending bool
	err = s.row(ctx, "pgstore.publish", `SELECT EXISTS (SELECT 1 FROM patchbay_told)`, nil, func(row pgx.Row) error { return row.Scan(&pending) })
	if err != nil || !pending {
		return 0, err
	}
	// The lock is a statement of its own, because the next statement must see what the
	// previous process has committed. Both are sent together as one transaction, so the
	// lock is never held while waiting for this process, which may be stopped at any
	// moment.
	var both pgx.Batch
	both.Queue(`SELECT pg_advisory_xact_lock($1)`, int64(publishing))
	both.Queue(move, n).QueryRow(func(row pgx.Row) error { return row.Scan(&moved) })
	err = s.with(ctx, "pgstore.publish", func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault("pgstore.publish", c.SendBatch(ctx, &both).Close())
	})
	return moved, err
}

const feedEntries = `SELECT ` + table.EventColumns + ` FROM patchbay_feed WHERE `

// Feed implements ports.Feed.
func (s *Store) Feed(ctx context.Context, tenant string, after int64, n int) (events []event.Event, err error) {
	query, args := feedEntries+`tenant = $3 AND seq > $1 ORDER BY seq LIMIT $2`, []any{after, n, tenant}
	if tenant == ports.AllTenants {
		query, args = feedEntries+`seq > $1 ORDER BY seq LIMIT $2`, args[:2]
	}
	pager, ended := ports.NewPager(n), false
	err = s.rows(ctx, "pgstore.feed", query, args, func(row pgx.Rows) error {
		e, err := table.ScanEvent(row)
		if ended = ended || !pager.Take(len(e.Data)); !ended {
			events = append(events, e)
		}
		return err
	})
	return events, err
}
