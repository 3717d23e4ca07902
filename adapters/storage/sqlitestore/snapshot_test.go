package sqlitestore_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/ports"
)

func put(t *testing.T, j ports.Journal, id string) {
	t.Helper()
	if err := j.Save(t.Context(), &ports.Record{Tenant: "t", Kind: "k", ID: id, Body: bytes.Repeat([]byte(id), 5000)})[0]; err != nil {
		t.Fatal(err)
	}
}

// leftovers returns the names of the snapshots beside the database.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if strings.Contains(one.Name(), "snapshot") {
			names = append(names, one.Name())
		}
	}
	return names
}

func TestASnapshotTakenDuringWritesIsComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store #1?.db"))
	for i := range 200 {
		put(t, s, fmt.Sprint("before", i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			put(t, s, fmt.Sprint("during", i))
		}
	})
	shot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if names := leftovers(t, dir); names != nil {
		t.Errorf("files of the snapshot = %q, want none", names)
	}
	_, err = s.Snapshot(t.Context())
	if f := fault.From(err); f.Kind != fault.Conflict || f.Code != "backup_running" {
		t.Errorf("a second snapshot at the same time: error = %v, want kind %s, code backup_running", err, fault.Conflict)
	}
	path := filepath.Join(dir, "copy.db")
	raw, err := io.ReadAll(shot)
	if err != nil || int64(len(raw)) != shot.Size() {
		t.Fatalf("bytes read = %d, %v, want %d", len(raw), err, shot.Size())
	}
	if err := shot.Close(); err != nil {
		t.Fatal(err)
	}
	stop()
	writing.Wait()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqlitestore.Check(t.Context(), path); err != nil {
		t.Errorf("Check of the snapshot: %v", err)
	}
	restored := open(t, path)
	for i := range 200 {
		if _, err := restored.Get(t.Context(), "t", "k", fmt.Sprint("before", i)); err != nil {
			t.Fatalf("Get of a record written before the snapshot: %v", err)
		}
	}
	if again, err := s.Snapshot(t.Context()); err != nil {
		t.Errorf("another snapshot after that: %v", err)
	} else if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnAbandonedSnapshotLeavesNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := open(t, path)
	put(t, s, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Snapshot(ended); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Snapshot: error = %v, want kind %s", err, fault.Unavailable)
	}
	if names := leftovers(t, dir); names != nil {
		t.Errorf("files after that = %q, want none", names)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A process that is killed leaves its file, and the next one removes it.
	if err := os.WriteFile(path+".snapshot-123", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if names := leftovers(t, dir); names != nil {
		t.Errorf("files of the killed process = %q, want none", names)
	}
}

func TestCheckFindsADamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "store.db"))
	for i := range 50 {
		put(t, s, fmt.Sprint(i))
	}
	shot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer shot.Close()
	whole, err := io.ReadAll(shot)
	if err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(whole)
	copy(torn[8192:], bytes.Repeat([]byte{0xff}, 4096))
	for name, raw := range map[string][]byte{
		"cut off": whole[:len(whole)/2], "torn": torn, "empty": {}, "something else": []byte(strings.Repeat("what is this? ", 1000)),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sqlitestore.Check(t.Context(), path); !fault.Is(err, fault.Invalid) {
			t.Errorf("Check of a file that is %s: error = %v, want kind %s", name, err, fault.Invalid)
		}
	}
}
