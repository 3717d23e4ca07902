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

// suffixes are the suffixes of a store's files after the name of the database: those of
// SQLite, and that of the lock.
var suffixes = []string{"", "-wal", "-shm", "-journal", lockSuffix}

const lockSuffix = ".lock"

// createFile creates the directory and the file so that only the owner can read them, and
// returns the file's absolute path with symbolic links resolved. An existing file is not
// opened: closing it would release the locks that SQLite holds on it elsewhere in this
// process. https://www.sqlite.org/howtocorrupt.html
//
// For the same reason there is no lock on the file itself that would show under which names
// it is open. A file with a second name (a hard link) is therefore refused: SQLite keeps
// the log next to the name by which a file is opened, so with two names there would be two
// stores that write one file.
func createFile(path string) (string, error) {
	info, err := createPrivate(path)
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "sqlitestore.open", err)
	}
	if n := links(info); n > 1 {
		return "", fault.New(fault.Invalid, "store_linked", fmt.Sprintf(
			"%s has %d names (hard links), and SQLite needs a file with one: remove the others, or make copies of them", path, n))
	}
	target, err := filepath.EvalSymlinks(path)
	if err == nil {
		target, err = filepath.Abs(target)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, "sqlitestore.open", err)
	}
	return target, nil
}

// hasContent reports whether path names a non-empty file.
func hasContent(path string) bool {
	info, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist) && (err != nil || info.Size() > 0) // a file that cannot be examined is not reported as missing
}

// createPrivate creates a file and its directory if they do not exist, so that only the owner can
// read them.
func createPrivate(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return info, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	return info, errors.Join(err, f.Close())
}

// Holds reports whether path is, or would be if it were created, a file of the store at
// store: the database itself through any link, its log, or its lock.
func Holds(store, path string) bool {
	for _, database := range slices.Compact([]string{store, resolved(store)}) {
		for _, suffix := range suffixes {
			if sameFile(database+suffix, path) || sameFile(filepath.Dir(database), filepath.Dir(path)) && filepath.Base(database)+suffix == filepath.Base(path) {
				return true
			}
		}
	}
	return false
}

// resolved returns path with symbolic links resolved, or path itself if that fails.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
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
