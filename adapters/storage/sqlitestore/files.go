package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"patchbay/core/fault"
)

// suffixes are what the names of a store's files have after that of the database:
// SQLite's own, and that of the lock.
var suffixes = []string{"", "-wal", "-shm", "-journal", lockSuffix}

const lockSuffix = ".lock"

// prepare makes the directory and the file so that nobody else may read them, and
// returns the file's own path, which no symbolic link leads to. A file that is there is
// not opened: to close it again would give up the locks that SQLite has on it elsewhere
// in this process. https://www.sqlite.org/howtocorrupt.html
//
// For the same reason there is no lock on the file itself that would show by which names
// it is open, and one with a second name (a hard link) is refused: SQLite keeps the log
// beside the name that a file is opened by, so that two names are two stores that write
// one file.
func prepare(path string) (string, error) {
	if err := make600(path); err != nil {
		return "", fault.Wrap(fault.Unavailable, "sqlitestore.open", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "sqlitestore.open", err)
	}
	if n := links(info); n > 1 {
		return "", fault.New(fault.Invalid, "store_linked", fmt.Sprintf(
			"%s has %d names (hard links), and SQLite needs a file with one: remove the others, or make copies of them", path, n))
	}
	own, err := filepath.EvalSymlinks(path)
	if err == nil {
		own, err = filepath.Abs(own)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "sqlitestore.open", err)
	}
	return own, nil
}

// errNoStore refuses what is not a store yet.
var errNoStore = fault.New(fault.NotFound, "no_store", "there is no store")

// there reports whether a path names a file that something was written to.
func there(path string) bool {
	info, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist) && (err != nil || info.Size() > 0) // what cannot be looked at is not said to be missing
}

// make600 makes a file and its directory, where they are not there.
func make600(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	return f.Close()
}

// Holds reports whether what a path names, or would name if it were made, is a file of
// the store at another: the database itself by whatever link, its log, its lock.
func Holds(store, path string) bool {
	for _, own := range slices.Compact([]string{store, resolved(store)}) {
		for _, suffix := range suffixes {
			if sameFile(own+suffix, path) || sameFile(filepath.Dir(own), filepath.Dir(path)) && filepath.Base(own)+suffix == filepath.Base(path) {
				return true
			}
		}
	}
	return false
}

// resolved is where symbolic links lead to, or the path itself where that cannot be told.
func resolved(path string) string {
	if own, err := filepath.EvalSymlinks(path); err == nil {
		return own
	}
	return path
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
