package sqlitestore_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/ports"
)

// copyOf makes a copy of one file only, as a person would.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := place(t)
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestAClosedStoreIsASingleFile(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(t *testing.T, s *sqlitestore.Store){
		"after writes": func(t *testing.T, s *sqlitestore.Store) {
			t.Helper()
			for i := range 100 {
				put(t, s, fmt.Sprint(i))
			}
		},
		"after a write and a read": func(t *testing.T, s *sqlitestore.Store) {
			t.Helper()
			put(t, s, "1")
			if _, err := s.List(t.Context(), "t", "k", ports.Filter{}, "", 10); err != nil {
				t.Fatal(err)
			}
		},
		"after a snapshot": func(t *testing.T, s *sqlitestore.Store) {
			t.Helper()
			shot, err := s.Snapshot(t.Context())
			if err := errors.Join(err, shot.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"without any use": func(*testing.T, *sqlitestore.Store) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := place(t)
			s := open(t, path)
			put(t, s, "first")
			use(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, beside := range []string{"-wal", "-shm"} {
				if _, err := os.Stat(path + beside); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("file with suffix %s: %v, want none", beside, err)
				}
			}
			if _, err := open(t, copyOf(t, path)).Get(t.Context(), "t", "k", "first"); err != nil {
				t.Errorf("Get of a record from a copy of the file: %v", err)
			}
		})
	}
}

func TestAnOpenFileIsNotOpenedAgainUnderAnyName(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(t *testing.T, path string) string{
		"its own name": func(_ *testing.T, path string) string { return path },
		"a symbolic link": func(t *testing.T, path string) string {
			t.Helper()
			return linked(t, os.Symlink, path, place(t))
		},
		"a symbolic link to a symbolic link": func(t *testing.T, path string) string {
			t.Helper()
			return linked(t, os.Symlink, linked(t, os.Symlink, path, place(t)), place(t))
		},
		"a symbolic link to its directory": func(t *testing.T, path string) string {
			t.Helper()
			return filepath.Join(linked(t, os.Symlink, filepath.Dir(path), filepath.Join(t.TempDir(), "dir")), filepath.Base(path))
		},
		"a hard link": func(t *testing.T, path string) string {
			t.Helper()
			return linked(t, os.Link, path, place(t))
		},
		"a hard link beside it": func(t *testing.T, path string) string {
			t.Helper()
			return linked(t, os.Link, path, path+"2")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := place(t)
			first := open(t, path)
			other := link(t, path)
			second, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: other, Clock: clock.System{}, IDs: ids.UUIDs{}})
			if err == nil {
				_ = second.Close()
				t.Fatal("Open succeeded, want an error")
			}
			if code := fault.From(err).Code; code != "store_locked" && code != "store_linked" {
				t.Errorf("Open: error = %v, want code store_locked or store_linked", err)
			}
			put(t, first, "after that") // it still works
		})
	}
}

func linked(t *testing.T, link func(from, to string) error, path, name string) string {
	t.Helper()
	if err := link(path, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// The log has the name of the file, not that of a link, so it is found by both names.
func TestAStoreWrittenThroughALinkIsReadByItsName(t *testing.T) {
	t.Parallel()
	path := place(t)
	link := linked(t, os.Symlink, path, place(t)) // to a file that does not exist yet
	first := open(t, link)
	put(t, first, "through the link")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path).Get(t.Context(), "t", "k", "through the link"); err != nil {
		t.Errorf("Get of what was written through the link: %v", err)
	}
}

func TestHoldsReportsTheFilesOfAStore(t *testing.T) {
	t.Parallel()
	path := place(t)
	open(t, path)
	dir := linked(t, os.Symlink, filepath.Dir(path), filepath.Join(t.TempDir(), "dir"))
	link := linked(t, os.Symlink, path, filepath.Join(t.TempDir(), "link.db"))
	for file, want := range map[string]bool{
		path: true, path + "-wal": true, path + "-shm": true, path + "-journal": true, path + ".lock": true,
		filepath.Join(filepath.Dir(path), ".", "store.db"):    true,
		filepath.Join(dir, "store.db"):                        true,
		filepath.Join(dir, "store.db-journal"):                true, // which does not exist
		link:                                                  true,
		linked(t, os.Link, path, path+".hard"):                true,
		linked(t, os.Link, path+"-wal", path+".wal"):          true,
		path + ".bak":                                         false,
		filepath.Join(t.TempDir(), "store.db"):                false,
		filepath.Join(t.TempDir(), "no", "such", "directory"): false,
	} {
		if got := sqlitestore.Holds(path, file); got != want {
			t.Errorf("Holds(%s) = %t, want %t", file, got, want)
		}
		if got := sqlitestore.Holds(link, file); got != want {
			t.Errorf("Holds(%s) of the store by a link = %t, want %t", file, got, want)
		}
	}
}
