// Package sqlitestore keeps the journal and the users in one SQLite file. It needs no
// server and no C compiler.
//
// A write returns when it is on disk: WAL with synchronous=FULL. One process opens the
// file, under a lock, and one goroutine writes it. It puts all writes that arrived during
// the last commit into the next one.
package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"sync"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/ports"
)

// Options configures Open.
type Options struct {
	Path string // of the file
	// Existing opens only an existing store. Otherwise the file and its directory are
	// created if they do not exist.
	Existing bool
	Clock    ports.Clock
	IDs      ports.IDs

	empty <-chan time.Time // when to empty the log; by a ticker if it is nil
}

// Store is an open file. It implements ports.Journal, ports.Archive and ports.Snapshots.
type Store struct {
	path     string
	clock    ports.Clock
	ids      ports.IDs
	lock     *flock.Flock
	reads    *sql.DB
	reader   statements
	writer   *writer
	snapshot sync.Mutex // one at a time: a snapshot takes as much disk space as the file
}

// Open opens or creates the file, and brings its tables up to date. Leases of an earlier
// process are void: its claims become due at once, as expired.
//
// NotFound with code no_store: it is not a store yet, and must exist. Unavailable with code
// store_locked: another process has it open. Invalid with code store_newer: it was created
// by a newer version; with code store_older: by one that is too old; with code
// store_foreign: by another program; with code store_linked: it has more than one name. A
// file that is refused stays as it is.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Existing && !hasContent(o.Path) {
		return nil, table.ErrNoStore
	}
	path, err := createFile(o.Path)
	if err != nil {
		return nil, err
	}
	o.Path = path
	lock := flock.New(o.Path + lockSuffix)
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, "sqlitestore.lock", err)
	case !locked:
		return nil, fault.New(fault.Unavailable, "store_locked", o.Path+" is open in another process")
	}
	if err := inspect(ctx, o.Path, o.Existing); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	if err := removeSnapshots(o.Path); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Unavailable, "sqlitestore.open", err), lock.Unlock())
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	s.lock = lock
	return s, nil
}

func open(ctx context.Context, o Options) (*Store, error) {
	writes, err := sql.Open("sqlite", dsn(o.Path, "_txlock=immediate&_pragma=secure_delete(1)")) // what is removed is overwritten
	if err != nil {
		return nil, classify("sqlitestore.open", err)
	}
	writes.SetMaxOpenConns(1)
	if err := migrate(ctx, writes); err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	if o.empty == nil {
		o.empty = time.Tick(logKept)
	}
	w, err := startWriter(ctx, writes, o.Clock, o.empty)
	if err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	reads, err := sql.Open("sqlite", dsn(o.Path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(classify("sqlitestore.open", err), w.close())
	}
	// Each connection costs memory, and more connections than processors gain nothing.
	pool := max(2, min(runtime.GOMAXPROCS(0), 8))
	reads.SetMaxOpenConns(pool)
	reads.SetMaxIdleConns(pool)
	reader, err := prepareStatements(ctx, reads)
	if err != nil {
		return nil, errors.Join(err, reads.Close(), w.close())
	}
	return &Store{path: o.Path, clock: o.Clock, ids: o.IDs, reads: reads, reader: reader, writer: w}, nil
}

// busyTimeout is how long a connection waits for others.
const busyTimeout = 10 * time.Second

func dsn(path, more string) string {
	return fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&%s",
		(&url.URL{Path: path}).EscapedPath(), busyTimeout.Milliseconds(), more)
}

// Close completes the submitted writes, and closes the file, which then holds the whole
// store: no log is left next to it.
func (s *Store) Close() error {
	s.writer.finish()
	return errors.Join(s.reads.Close(), s.writer.close(), s.lock.Unlock())
}

// Users returns the store as a repository of users.
func (s *Store) Users() ports.UserRepository {
	return table.Users{UserTable: userTable{s}, Clock: s.clock, IDs: s.ids}
}
