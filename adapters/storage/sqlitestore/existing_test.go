package sqlitestore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
)

func TestAStoreThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	existing := func(path string) (*sqlitestore.Store, error) {
		return sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Existing: true, Clock: clock.System{}, IDs: ids.UUIDs{}})
	}
	path := filepath.Join(t.TempDir(), "data", "store.db")
	if _, err := existing(path); !fault.Is(err, fault.NotFound) || fault.From(err).Code != "no_store" {
		t.Errorf("where there is none: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has made the directory: %v", err)
	}
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := existing(path); !fault.Is(err, fault.NotFound) {
		t.Errorf("where the file is empty: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("it has written to it: %v, %v", info, err)
	}
	s := open(t, path)
	put(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := existing(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Get(t.Context(), "t", "k", "a"); err != nil {
		t.Error(err)
	}
}
