package sqlitestore

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

// openEmptied opens a new store, whose log is emptied whenever empty says so, or each minute if that is nil.
func openEmptied(t *testing.T, empty <-chan time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "store.db"), Clock: clock.System{}, IDs: ids.UUIDs{}, empty: empty})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAWriteThatFailsDoesNotAffectOthersOfItsCommit(t *testing.T) {
	t.Parallel()
	s := openEmptied(t, nil)
	record := func(id string) *ports.Record {
		return &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("body"), Events: []event.Event{{ID: "fev_" + id, Tenant: "t"}}}
	}
	// The writer is blocked, so that all of them get into one batch.
	entered, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	submit := func(do func(b *batch) error) error { return s.writer.submit(t.Context(), do) }
	all.Go(func() { _ = submit(func(*batch) error { close(entered); <-release; return nil }) })
	<-entered
	broken := errors.New("broken")
	all.Go(func() {
		err := submit(func(b *batch) error {
			if _, err := b.save(record("half")); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("the write that fails: error = %v, want %v", err, broken)
		}
	})
	good := []string{"a", "b", "c"}
	for _, id := range good {
		all.Go(func() {
			if err := s.Save(t.Context(), record(id))[0]; err != nil {
				t.Errorf("Save of %s: %v", id, err)
			}
		})
	}
	for len(s.writer.queue) < len(good)+1 {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	for _, id := range good {
		if r, err := s.Get(t.Context(), "t", "thing", id); err != nil || r.Rev != 1 {
			t.Errorf("revision of %s = %d, %v, want 1", id, r.Rev, err)
		}
	}
	if _, err := s.Get(t.Context(), "t", "thing", "half"); !fault.Is(err, fault.NotFound) {
		t.Errorf("Get of a record of the write that failed: error = %v, want kind %s", err, fault.NotFound)
	}
	events, err := s.Feed(t.Context(), "t", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 3 || events[2].Seq != 3 {
		t.Errorf("feed = %+v, want 3 events, the last with number 3", events)
	}
}

// What a save removes is not left in the log beside the file either, while the store is open.
func TestWhatWasRemovedIsNotKeptInTheLog(t *testing.T) {
	t.Parallel()
	empty := make(chan time.Time)
	s := openEmptied(t, empty)
	secret := "4711-0815-reset"
	r := &ports.Record{Tenant: "t", Kind: "thing", ID: "a", Body: []byte(secret)}
	for _, body := range []string{secret, "{}"} {
		r.Body = []byte(body)
		if err := s.Save(t.Context(), r)[0]; err != nil {
			t.Fatal(err)
		}
	}
	inLog := func() int {
		raw, err := os.ReadFile(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(raw), secret)
	}
	if inLog() == 0 {
		t.Fatal("the log does not have what was removed before it is emptied: nothing is tested")
	}
	empty <- time.Time{}
	empty <- time.Time{} // taken once the first is done
	if n := inLog(); n > 0 {
		t.Errorf("the log has what was removed %d times, want none", n)
	}
	if err := s.Save(t.Context(), r)[0]; err != nil {
		t.Errorf("Save after the log was emptied: %v", err)
	}
}

// A reader of an older state prevents the emptying. Writes go on, and the next one empties the log.
func TestTheLogIsEmptiedOnceNobodyReadsAnOlderState(t *testing.T) {
	t.Parallel()
	empty := make(chan time.Time)
	s := openEmptied(t, empty)
	r := &ports.Record{Tenant: "t", Kind: "thing", ID: "a", Body: []byte("body")}
	save := func() {
		if err := s.Save(t.Context(), r)[0]; err != nil {
			t.Error(err)
		}
	}
	size := func() int64 {
		info, err := os.Stat(s.path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	save()
	reading, err := s.reads.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRowContext(t.Context(), "SELECT count(*) FROM record").Scan(&n); err != nil {
		t.Fatal(err)
	}
	save()
	empty <- time.Time{}
	save()
	if size() == 0 {
		t.Error("the log is empty while an older state is read")
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	empty <- time.Time{}
	empty <- time.Time{}
	if got := size(); got != 0 {
		t.Errorf("the log has %d bytes once nobody reads an older state, want none", got)
	}
}
