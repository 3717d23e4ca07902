package pgstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/guard"
)

const (
	lanes      = 2        // concurrent statements of one kind: with one more fewer calls share, with one less each waits for the previous commit
	maxBatch   = 64       // calls in one batch
	maxWaiting = 512      // waiting calls of one kind; further ones run alone, as far as the pool has connections
	maxShared  = 64 << 10 // largest record, in bytes, that shares a statement

	// patience is how long a call may keep its lane, and how long a batch may wait for a
	// row lock of another transaction. It is less than the time after which Postgres checks
	// for a deadlock.
	patience = 500 * time.Millisecond
)

// limitLockWait makes a transaction fail that waits for a lock for longer than patience.
var limitLockWait = fmt.Sprintf(`SELECT set_config('lock_timeout', '%dms', true)`, patience.Milliseconds())

// gather lets calls of one kind share a statement, and so a round trip, a plan and a
// commit. A call that finds a free lane runs at once and alone. Calls that arrive while the
// lanes are busy run together on the next lane that becomes free.
//
// No call affects another. If Postgres refuses a batch, nothing of it was executed, and
// each caller makes its own call alone. If the outcome of a batch is unknown, it is unknown
// to all of its callers.
type gather[Q, A any] struct {
	alone     func(ctx context.Context, ask Q) (A, error)
	together  func(ctx context.Context, all []*call[Q, A]) error
	abandoned fault.Kind // the Kind for a caller that gives up while its call is in progress
	lanes     int

	mu      sync.Mutex
	busy    int // lanes in use
	waiting []*call[Q, A]
}

// call is one call of a batch. Its answer is valid once done is closed.
type call[Q, A any] struct {
	ask    Q
	answer A
	err    error
	undone bool // it was not executed, and must be made alone
	done   chan struct{}
}

// fail ends a call that was not answered.
func (c *call[Q, A]) fail(err error) {
	select {
	case <-c.done:
	default:
		c.err = err
		close(c.done)
	}
}

// do makes a call.
func (g *gather[Q, A]) do(ctx context.Context, ask Q) (A, error) {
	c, free := g.enter(ask)
	if free {
		defer g.hold()()
	}
	if c == nil {
		return g.alone(ctx, ask)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		var none A
		if g.withdraw(c) {
			return none, fault.Wrap(fault.Unavailable, "pgstore.batch", ctx.Err())
		}
		return none, fault.Wrap(g.abandoned, "pgstore.batch", ctx.Err())
	}
	if c.undone {
		return g.alone(ctx, ask)
	}
	return c.answer, c.err
}

// enter takes a free lane if there is one, or else a place in the queue if there is room,
// or else neither.
func (g *gather[Q, A]) enter(ask Q) (c *call[Q, A], free bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.busy < g.lanes:
		g.busy++
		return nil, true
	case len(g.waiting) >= maxWaiting:
		return nil, false
	}
	c = &call[Q, A]{ask: ask, done: make(chan struct{})}
	g.waiting = append(g.waiting, c)
	return c, false
}

// withdraw removes a call that has not been sent from the queue.
func (g *gather[Q, A]) withdraw(c *call[Q, A]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, c)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// hold keeps a lane until the call is answered or takes longer than patience.
func (g *gather[Q, A]) hold() (release func()) {
	timer := time.AfterFunc(patience, g.leave)
	return func() {
		if timer.Stop() {
			g.leave()
		}
	}
}

// leave passes a lane to waiting calls, or frees it.
func (g *gather[Q, A]) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxBatch)
	if n == 0 {
		g.busy--
		return
	}
	all := g.waiting[:n:n]
	go func() {
		if err := guard.Do(func() error { g.send(all); return nil }); err != nil {
			for _, c := range all {
				c.fail(fault.Wrap(g.abandoned, "pgstore.batch", err))
			}
		}
	}()
	g.waiting = g.waiting[n:]
}

// send makes the calls of a batch. Its context belongs to no caller: a caller that gives up
// must not undo the calls of the others.
func (g *gather[Q, A]) send(all []*call[Q, A]) {
	defer g.hold()()
	ctx := context.Background()
	if len(all) == 1 {
		all[0].answer, all[0].err = g.alone(ctx, all[0].ask)
	} else if err := g.together(ctx, all); err != nil {
		for _, c := range all {
			c.err, c.undone = err, rolledBack(err)
		}
	}
	for _, c := range all {
		close(c.done)
	}
}

// rolledBack reports whether an error means that Postgres itself aborted a batch, and so rolled
// back all of it.
func rolledBack(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && refusal(e.Code) != fault.UnknownOutcome
}

// distinct removes calls from a batch that have the same key as an earlier call: the result
// could not tell which of them was executed. The removed calls are made alone.
func distinct[Q, A any, K comparable](all []*call[Q, A], key func(Q) K) []*call[Q, A] {
	seen := make(map[K]bool, len(all))
	var first []*call[Q, A]
	for _, c := range all {
		k := key(c.ask)
		if c.undone = seen[k]; !c.undone {
			first = append(first, c)
		}
		seen[k] = true
	}
	return first
}

// asks returns what the calls of a batch ask.
func asks[Q, A any](all []*call[Q, A]) []Q {
	each := make([]Q, len(all))
	for i, c := range all {
		each[i] = c.ask
	}
	return each
}

// readSeveral answers calls that each read one row. query returns rows with the number of the
// call, from 1, as the last column.
func readSeveral[Q, A any](ctx context.Context, s *Store, op, query string, all []*call[Q, A], key func(Q) []any, scan func(row table.Row, more ...any) (A, error)) error {
	for _, c := range all {
		c.err = fault.Wrap(fault.NotFound, op, pgx.ErrNoRows)
	}
	return s.rows(ctx, op, query, arrays(asks(all), key), func(row pgx.Rows) error {
		var n int64
		found, err := scan(row, &n)
		if err == nil {
			all[n-1].answer, all[n-1].err = found, nil
		}
		return err
	})
}

// statement is one statement of a batch. It returns the numbers, from 1, of the calls that
// it has executed. of returns what a call writes, and the events of it.
type statement[Q any] struct {
	query string
	calls []*call[Q, bool]
	of    func(Q) (values []any, events []event.Event)
}

// commit sends statements in one pipeline, which is one transaction. If it fails, none of
// their results count.
func commit[Q any](ctx context.Context, s *Store, op string, statements ...statement[Q]) error {
	batch := new(pgx.Batch)
	batch.Queue(limitLockWait)
	for _, one := range statements {
		if len(one.calls) == 0 {
			continue
		}
		batch.Queue(one.query, one.args()...).Query(func(rows pgx.Rows) error {
			var n int64
			_, err := pgx.ForEachRow(rows, []any{&n}, func() error {
				one.calls[n-1].answer = true
				return nil
			})
			return err
		})
	}
	return s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault(op, c.SendBatch(ctx, batch).Close())
	})
}

// insertAllEvents is insertEvents for a statement that writes many rows and returns the numbers
// of the written rows as made. $1 is the row number of each event, and $2 to $7 are the events.
const insertAllEvents = `, t AS (INSERT INTO patchbay_told (tenant, id, type, subject, at, data)
		SELECT e.tenant, e.id, e.type, e.subject, e.at, e.data
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bytea[]) WITH ORDINALITY
		AS e (n, tenant, id, type, subject, at, data, o) JOIN made USING (n) ORDER BY o)
		SELECT n FROM made`

// args returns the events of all calls, and then what they write.
func (t statement[Q]) args() []any {
	var numbers []int64 // of the calls of the events
	var events []event.Event
	for i, q := range asks(t.calls) {
		_, own := t.of(q)
		numbers = append(numbers, slices.Repeat([]int64{int64(i + 1)}, len(own))...)
		events = append(events, own...)
	}
	args := append([]any{numbers}, columns(events)...)
	return append(args, arrays(asks(t.calls), func(q Q) []any { values, _ := t.of(q); return values })...)
}
