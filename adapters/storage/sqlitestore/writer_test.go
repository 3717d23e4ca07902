package sqlitestore

import (
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

func TestAWriteThatFailsDoesNotAffectOthersOfItsCommit(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "store.db"), Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
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
