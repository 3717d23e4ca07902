package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/ports"
)

const (
	maxBatch = 256  // writes in one commit
	maxQueue = 1024 // queued writes; a further one blocks until there is room, or its context ends
	// logKept is how often the log is emptied. SQLite overwrites what a write removes in the file of the
	// store, but the log keeps older pages as they were until others take their place, which may be never.
	logKept = time.Minute
	// logWait is how long an emptying waits for readers, and lets writes wait.
	logWait = 50 * time.Millisecond
)

// writer is the single goroutine that writes. Concurrent writes share a commit: with
// synchronous=FULL the fsync is nearly all of the cost.
//
// A write needs no savepoint. A refusal that the data is expected to cause occurs in the
// first statement of a write, and SQLite undoes a refused statement by itself. If anything
// else fails, the batch is rolled back and its writes are repeated, each in its own commit,
// so that one cannot harm another.
type writer struct {
	db      *sql.DB
	conn    *sql.Conn
	stmts   statements
	queue   chan *request
	empty   <-chan time.Time // when to empty the log
	dirty   bool             // the log may have pages
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
	seq     int64 // number of the last event in the feed, -1 if it must be read
}

// request is a write to be done within the shared transaction. do returns an error only if the
// transaction must be rolled back, and may be called twice.
type request struct {
	do   func(b *batch) error
	err  error
	done chan struct{}
}

// batch is the transaction that a write works in. Its context is not the caller's: a caller
// that gives up must not undo the writes of the others.
type batch struct {
	context.Context
	*statements
	w *writer
}

func startWriter(ctx context.Context, db *sql.DB, clock ports.Clock, empty <-chan time.Time) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, classify("sqlitestore.open", err)
	}
	w := &writer{
		db: db, conn: conn, queue: make(chan *request, maxQueue), seq: -1,
		empty: empty, dirty: true,
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if w.stmts, err = prepareStatements(ctx, conn); err != nil {
		return nil, errors.Join(err, w.stmts.close())
	}
	if _, err := conn.ExecContext(ctx, `UPDATE record SET due = min(due, ?) WHERE queue IS NOT NULL AND owner <> ''`,
		table.Micros(clock.Now())); err != nil {
		return nil, errors.Join(classify("sqlitestore.open", err), w.stmts.close())
	}
	go func() {
		defer close(w.stopped)
		// The callers of writes in progress at a panic get an unknown outcome.
		for guard.Do(func() error { w.run(); return nil }) != nil {
			w.seq = -1
		}
	}()
	return w, nil
}

// submit waits until do is committed. Once submitted, do is executed even if ctx ends; its
// outcome is then unknown to the caller.
func (w *writer) submit(ctx context.Context, do func(b *batch) error) error {
	if err := ctx.Err(); err != nil { // if the queue has room too, select chooses either
		return fault.Wrap(fault.Unavailable, "sqlitestore.write", err)
	}
	r := &request{do: do, done: make(chan struct{})}
	select {
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return fault.Wrap(fault.Unavailable, "sqlitestore.write", ctx.Err())
	case w.queue <- r:
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fault.Wrap(fault.UnknownOutcome, "sqlitestore.write", ctx.Err())
	case <-w.stopped:
	}
	select {
	case <-r.done:
		return r.err
	default:
		return errClosed // submitted too late to be executed
	}
}

// write returns what do has returned, once that is committed: see submit. After an error it
// returns no result of do, which may still be running.
func write[T any](ctx context.Context, w *writer, do func(b *batch) (T, error)) (T, error) {
	var result, none T
	err := w.submit(ctx, func(b *batch) (err error) {
		result, err = do(b)
		return err
	})
	if err != nil {
		return none, err
	}
	return result, nil
}

var errClosed = fault.New(fault.Unavailable, "store_closed", "the store is closed")

func (w *writer) run() {
	var all []*request
	for {
		all = all[:0]
		select {
		case r := <-w.queue:
			all = append(all, r)
		case <-w.empty:
			w.dirty = w.dirty && !w.emptyLog()
			continue
		case <-w.quit:
		}
		if all = w.gather(all); len(all) == 0 {
			return
		}
		w.dirty = true
		w.answer(all, w.commit(all))
		clear(all)
	}
}

// answer reports the result to each write.
func (w *writer) answer(all []*request, err error) {
	together := len(all) > 1 && err != nil && !fault.Is(err, fault.UnknownOutcome)
	for _, r := range all {
		r.err = err
		if together {
			r.err = w.commit([]*request{r})
		}
		close(r.done)
	}
}

// gather takes the writes that have arrived meanwhile. It never waits for more, so a single
// write is not delayed.
func (w *writer) gather(all []*request) []*request {
	for len(all) < maxBatch {
		select {
		case r := <-w.queue:
			all = append(all, r)
		default:
			return all
		}
	}
	return all
}

// commit executes all writes in one transaction. An error of the commit itself is an
// UnknownOutcome; after any other error, and after a panic, the transaction is rolled back.
func (w *writer) commit(all []*request) error {
	err := guard.Do(func() error { return w.transact(all) })
	if err != nil {
		w.seq = -1
	}
	if fault.Is(err, fault.Internal) && fault.From(err).Code == guard.CodePanic {
		if rerr := w.rollback(context.Background(), err); fault.Is(rerr, fault.UnknownOutcome) {
			return rerr
		}
	}
	return err
}

func (w *writer) transact(all []*request) error {
	ctx := context.Background()
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return classify("sqlitestore.begin", err)
	}
	b := &batch{Context: ctx, statements: &w.stmts, w: w}
	if w.seq < 0 {
		if err := b.readLastSeq(); err != nil {
			return w.rollback(ctx, err)
		}
	}
	for _, r := range all {
		if err := r.do(b); err != nil {
			return w.rollback(ctx, err)
		}
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		_ = w.rollback(ctx, err) // the commit may have ended the transaction already
		return fault.Wrap(fault.UnknownOutcome, "sqlitestore.commit", err)
	}
	return nil
}

func (w *writer) rollback(ctx context.Context, cause error) error {
	if _, err := w.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		return fault.Wrap(fault.UnknownOutcome, "sqlitestore.rollback", err)
	}
	return classify("sqlitestore.write", cause)
}

// finish stops the goroutine after all submitted writes are done.
func (w *writer) finish() {
	w.once.Do(func() { close(w.quit) })
	<-w.stopped
}

// close moves the log into the file, and closes it. There are no readers any more. SQLite
// does this by itself only if the last connection to close is one that may write.
func (w *writer) close() error {
	w.finish()
	return errors.Join(w.checkpoint(), classify("sqlitestore.close", errors.Join(w.stmts.close(), w.conn.Close(), w.db.Close())))
}

// emptyLog moves the log into the file and cuts it to nothing. It reports whether it has: a reader of an older
// state prevents it.
func (w *writer) emptyLog() bool {
	if w.wait(logWait) != nil {
		return false
	}
	err := w.checkpoint()
	return errors.Join(err, w.wait(busyTimeout)) == nil
}

// wait sets how long the connection waits for others.
func (w *writer) wait(timeout time.Duration) error {
	_, err := w.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", timeout.Milliseconds()))
	return err
}

func (w *writer) checkpoint() error {
	var busy, pages, moved int64
	err := w.conn.QueryRowContext(context.Background(), `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err == nil && busy != 0 {
		return fault.New(fault.Unavailable, "store_read", "another program reads the database: what was written last is in the file beside it that ends in -wal")
	}
	return classify("sqlitestore.close", err)
}
