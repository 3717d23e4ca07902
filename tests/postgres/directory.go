package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	prefix = "pbpg"   // of the directories of servers; short: the path of a socket has at most 107 bytes
	inUse  = "in-use" // a file that the process of a server holds a lock on
)

// newDir makes the directory of a server. A process that is killed, or shares its server with all its
// tests, does not remove its directories; the next process does.
func newDir() (string, error) {
	if err := removeUnused(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(dir, inUse)) //nolint:gosec // the directory is ours
	if err != nil {
		return "", err
	}
	locks.Lock()
	defer locks.Unlock()
	kept = append(kept, lock)
	return dir, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// kept keeps the locks open until the process ends.
var (
	locks sync.Mutex
	kept  []*os.File
)

// removeUnused removes the directories of servers whose process has ended.
func removeUnused() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range dirs {
		if unused(dir) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}

func unused(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, inUse)) //nolint:gosec // the directory is ours
	if err != nil {                                 // its process may be about to make the file
		info, err := os.Stat(dir)
		return err == nil && time.Since(info.ModTime()) > time.Hour
	}
	defer lock.Close() //nolint:errcheck // only read
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
