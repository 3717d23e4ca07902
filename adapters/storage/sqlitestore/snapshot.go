package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"patchbay/core/fault"
	"patchbay/ports"
)

// snapshotSuffix follows the name of the database file in that of a snapshot.
const snapshotSuffix = ".snapshot-"

// snapshotID is the application id in the header of a snapshot. A process that later opens
// the snapshot as a store thus knows that it is an older copy.
// https://www.sqlite.org/fileformat2.html
const snapshotID = 0x70626370 // "pbcp"

// Snapshot implements ports.Snapshots. The snapshot is written next to the database file
// over a connection of its own, and its name is already removed when it is returned.
func (s *Store) Snapshot(ctx context.Context) (ports.Snapshot, error) {
	if !s.snapshot.TryLock() {
		return nil, fault.New(fault.Conflict, "backup_running", "another copy is being made")
	}
	f, err := s.vacuum(ctx)
	if err != nil {
		s.snapshot.Unlock()
		return nil, err
	}
	return &snapshot{File: f, release: sync.OnceFunc(s.snapshot.Unlock)}, nil
}

// vacuum writes the present content of the store to a file that only the owner can read.
func (s *Store) vacuum(ctx context.Context) (_ *os.File, err error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+snapshotSuffix+"*") // 0600
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, "sqlitestore.snapshot", err)
	}
	defer func() {
		if rerr := os.Remove(f.Name()); err == nil && rerr != nil {
			err = fault.Wrap(fault.Unavailable, "sqlitestore.snapshot", rerr)
		}
		if err != nil {
			_ = f.Close() // it is of no use
		}
	}()
	db, err := sql.Open("sqlite", dsn(s.path, ""))
	if err != nil {
		return nil, classify("sqlitestore.snapshot", err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", f.Name())
	if err := errors.Join(err, db.Close()); err != nil {
		return f, classify("sqlitestore.snapshot", err)
	}
	return f, classify("sqlitestore.snapshot", label(ctx, f.Name()))
}

// label marks a file as a snapshot in its header. It leaves no other file next to it.
func label(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(MEMORY)", (&url.URL{Path: path}).EscapedPath()))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", snapshotID))
	return errors.Join(err, db.Close())
}

// Older reports whether the file is a snapshot that was put in the place of a store, and
// Known has not been called since.
func (s *Store) Older(ctx context.Context) (bool, error) {
	var id int64
	err := s.reads.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id)
	return id == snapshotID, classify("sqlitestore.older", err)
}

// Known records that the older copy has been noticed.
func (s *Store) Known(ctx context.Context) error {
	return s.writer.submit(ctx, func(b *batch) error {
		_, err := b.w.conn.ExecContext(b, "PRAGMA application_id = 0")
		return classify("sqlitestore.known", err)
	})
}

// removeSnapshots removes snapshots left by a process that was killed while it wrote them.
// The caller holds the lock of the store.
func removeSnapshots(path string) error {
	all, err := os.ReadDir(filepath.Dir(path))
	for _, one := range all {
		if strings.HasPrefix(one.Name(), filepath.Base(path)+snapshotSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(filepath.Dir(path), one.Name())))
		}
	}
	return err
}

// snapshot is a file without a name, which is deleted when it is closed.
type snapshot struct {
	*os.File
	release func()
}

// Size implements ports.Snapshot.
func (s *snapshot) Size() int64 {
	info, err := s.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// Close implements ports.Snapshot.
func (s *snapshot) Close() error {
	defer s.release()
	return s.File.Close()
}

// Check reads a whole file that no process has open, and changes nothing. Invalid: it is
// damaged, or not a store.
func Check(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?mode=ro&immutable=1", (&url.URL{Path: path}).EscapedPath()))
	if err != nil {
		return classify("sqlitestore.check", err)
	}
	defer db.Close() //nolint:errcheck // only read
	var result string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&result); err != nil || result != "ok" {
		return fault.Wrap(fault.Invalid, "sqlitestore.check", errors.Join(err, errors.New("integrity_check: "+result)))
	}
	var records int64
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM record`).Scan(&records); err != nil {
		return fault.Wrap(fault.Invalid, "sqlitestore.check", err)
	}
	return nil
}
