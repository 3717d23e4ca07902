package app

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/config"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// follower is a gateway that follows the feed of a store, and counts how often it notices
// that an older copy was put back.
type follower struct {
	*restored
	noticed int
}

func local() *config.Config {
	c := &config.Config{}
	c.Storage.Provider = "local"
	return c
}

func follow(t *testing.T, journal ports.Journal) *follower {
	t.Helper()
	f := &follower{restored: newRestored(local(), logging.Discard().Logger)}
	f.dir = t.TempDir()
	if err := f.use(t.Context(), "local", Storage{Journal: journal}, clock.System{}); err != nil {
		t.Fatal(err)
	}
	f.start(t, journal)
	return f
}

func (f *follower) start(t *testing.T, journal ports.Journal) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		f.run(ctx, journal, clock.System{}, func() { f.noticed++ })
		close(done)
	}()
	t.Cleanup(func() { stop(); <-done })
}

func tell(t *testing.T, j *memjournal.Journal, id string) {
	t.Helper()
	r := &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("{}"), Events: []event.Event{{ID: "fev_" + id, Tenant: "t", Type: "x", At: time.Now()}}}
	if err := j.Save(t.Context(), r)[0]; err != nil {
		t.Fatal(err)
	}
	if _, err := j.Publish(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
}

// exchanged is a store whose content is another from some time on.
type exchanged struct {
	ports.Journal
	now atomic.Pointer[memjournal.Journal]
}

func (e *exchanged) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	return e.now.Load().Feed(ctx, tenant, after, n)
}

func (e *exchanged) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return e.now.Load().Get(ctx, tenant, kind, id)
}

func (e *exchanged) Save(ctx context.Context, records ...*ports.Record) []error {
	return e.now.Load().Save(ctx, records...)
}

func TestAnOlderCopyRestoredWhileTheGatewayRunsIsDetected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer := memjournal.New(clock.System{}), memjournal.New(clock.System{})
		for _, j := range []*memjournal.Journal{older, newer} {
			tell(t, j, "one")
		}
		tell(t, newer, "two")
		var store exchanged
		store.now.Store(newer)
		f := follow(t, &store)
		<-time.After(time.Minute)
		synctest.Wait()
		if f.noticed != 0 || !f.since().IsZero() {
			t.Fatalf("got %d restores, at %s, want none before there was any", f.noticed, f.since())
		}
		store.now.Store(older)
		<-time.After(time.Hour)
		synctest.Wait()
		if f.noticed != 1 || f.restore().Recalled || f.since().IsZero() {
			t.Errorf("got %d restores, %+v, want one that is to be recalled", f.noticed, f.restore())
		}
	})
}

func TestARestoreDetectedByAnotherGatewayIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := memjournal.New(clock.System{})
		tell(t, journal, "one")
		first := follow(t, journal)
		<-time.After(time.Minute)
		synctest.Wait()
		other := newRestored(&config.Config{}, logging.Discard().Logger)
		other.dir = t.TempDir()
		if err := other.use(t.Context(), "", Storage{Journal: journal, Aged: put{}}, clock.System{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(recordInterval + time.Second)
		synctest.Wait()
		if first.noticed != 1 || !first.since().Equal(other.since()) {
			t.Errorf("got %d restores, at %s, want one at %s", first.noticed, first.since(), other.since())
		}
	})
}

// put is a store that says of itself that it is an older copy.
type put struct{}

func (put) Older(context.Context) (bool, error) { return true, nil }

func (put) Known(context.Context) error { return nil }

// Gateways that find out by themselves, each in its own time, mark the store once: what one has
// begun since is not of the older copy to the other.
func TestTwoGatewaysThatDetectAnOlderCopyMarkItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		older, newer := memjournal.New(clock.System{}), memjournal.New(clock.System{})
		for _, j := range []*memjournal.Journal{older, newer} {
			tell(t, j, "one")
		}
		tell(t, newer, "two")
		var store exchanged
		store.now.Store(newer)
		first := follow(t, &store)
		<-time.After(3 * time.Second)
		second := follow(t, &store)
		<-time.After(time.Minute)
		store.now.Store(older)
		<-time.After(time.Hour)
		synctest.Wait()
		if first.noticed != 1 || second.noticed != 1 || !first.since().Equal(second.since()) {
			t.Errorf("got %d and %d restores, at %s and %s, want one", first.noticed, second.noticed, first.since(), second.since())
		}
	})
}

// An empty store has no feed, and is behind of what the directory has seen for as long as that
// is kept.
func TestAnEmptyStoreInPlaceOfAnotherIsMarkedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store exchanged
		full := memjournal.New(clock.System{})
		tell(t, full, "one")
		store.now.Store(full)
		f := follow(t, &store)
		<-time.After(time.Minute)
		store.now.Store(memjournal.New(clock.System{}))
		<-time.After(time.Hour)
		synctest.Wait()
		if last := f.since(); f.noticed != 1 || last.IsZero() {
			t.Fatalf("got %d restores, at %s, want one", f.noticed, last)
		}
		again := &follower{restored: newRestored(local(), logging.Discard().Logger)}
		again.dir = f.dir
		if err := again.use(t.Context(), "local", Storage{Journal: &store}, clock.System{}); err != nil || !again.since().Equal(f.since()) {
			t.Errorf("got %s, %v when the gateway has started again, want %s", again.since(), err, f.since())
		}
	})
}

// The gateway starts without its database, as it may where it has a spool, and has begun to read
// what the providers hold of no restore. The one before it has noticed one, and has not read.
func TestARestoreDetectedWhenTheStoreIsOpenedLateIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := memjournal.New(clock.System{})
		tell(t, journal, "one")
		before := &follower{restored: newRestored(local(), logging.Discard().Logger)}
		before.dir = t.TempDir()
		if err := before.use(t.Context(), "local", Storage{Journal: journal, Aged: put{}}, clock.System{}); err != nil {
			t.Fatal(err)
		}
		var gone atomic.Bool
		gone.Store(true)
		journal.Fail = func(string) error {
			if gone.Load() {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		}
		f := &follower{restored: newRestored(local(), logging.Discard().Logger)}
		f.dir = before.dir
		f.start(t, journal)
		<-time.After(5 * time.Second)
		gone.Store(false)
		if err := f.use(t.Context(), "local", Storage{Journal: journal}, clock.System{}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if f.noticed != 1 || !f.since().Equal(before.since()) {
			t.Errorf("got %d restores, at %s, want one at %s", f.noticed, f.since(), before.since())
		}
	})
}
