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

func TestAStoreThatMustExistIsNotCreated(t *testing.T) {
	t.Parallel()
	existing := func(path string) (*sqlitestore.Store, error) {
		return sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Existing: true, Clock: clock.System{}, IDs: ids.UUIDs{}})
	}
	path := filepath.Join(t.TempDir(), "data", "store.db")
	_, err := existing(path)
	if f := fault.From(err); f.Kind != fault.NotFound || f.Code != "no_store" {
		t.Errorf("Open without a file: error = %v, want kind %s, code no_store", err, fault.NotFound)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("directory after that: %v, want none", err)
	}
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := existing(path); !fault.Is(err, fault.NotFound) {
		t.Errorf("Open of an empty file: error = %v, want kind %s", err, fault.NotFound)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != 0 {
		t.Errorf("size of the empty file after that = %d, want 0", info.Size())
	}
	s := open(t, path)
	put(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = existing(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Get(t.Context(), "t", "k", "a"); err != nil {
		t.Errorf("Get of a record of the existing store: %v", err)
	}
}
