package resilience_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/resilience"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/defaultpolicy"
	"patchbay/tests/memjournal"
)

// store is a journal that fails on demand, on virtual time.
type store struct {
	*resilience.Storage
	saves atomic.Int64 // that reached the journal
	fails atomic.Pointer[func(op string) error]
	shut  atomic.Bool // it cannot be opened
}

func onVirtualTime(t *testing.T, test func(t *testing.T, s *store)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.fail(nil)
		mem := memjournal.New(clock.System{})
		mem.Fail = func(op string) error {
			if op == memjournal.Save {
				s.saves.Add(1)
			}
			return (*s.fails.Load())(op)
		}
		s.Storage = resilience.NewStorage("db", func(context.Context) (resilience.Store, error) {
			if s.shut.Load() {
				return resilience.Store{}, fault.New(fault.Unavailable, "scripted", "")
			}
			return resilience.Store{Journal: mem, Close: func() error { return nil }}, nil
		}, resilience.Options{Policy: defaultpolicy.Store()})
		test(t, s)
	})
}

// watch runs the health check of the store for the rest of a test.
func (s *store) watch(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Watch(ctx) }()
	t.Cleanup(func() { stop(); <-done })
}

func (s *store) fail(f func(op string) error) {
	if f == nil {
		f = func(string) error { return nil }
	}
	s.fails.Store(&f)
}

func failing(kind fault.Kind) func(string) error {
	return func(string) error { return fault.New(kind, "scripted", "") }
}

func (s *store) save(t *testing.T, id string) error {
	return s.Save(t.Context(), &ports.Record{Kind: "thing", ID: id, Body: []byte("x")})[0]
}

func TestOnlyASaveThatDidNothingIsRetried(t *testing.T) {
	tests := []struct {
		name  string
		kind  fault.Kind
		tries int64
	}{
		{"unavailable, once", fault.Unavailable, 2},
		{"an unknown outcome, never: its caller rereads the record", fault.UnknownOutcome, 1},
		{"a conflict, never", fault.Conflict, 1},
		{"an internal error, never", fault.Internal, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, s *store) {
				if err := s.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.fail(failing(tt.kind))
				checkKind(t, s.save(t, "a"), tt.kind)
				if got := s.saves.Load(); got != tt.tries {
					t.Errorf("saves = %d, want %d", got, tt.tries)
				}
			})
		})
	}
}

// A caller that has waited in vain for a connection does not wait twice.
func TestACallThatTookLongIsNotRetried(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.fail(func(string) error {
			<-time.After(time.Second)
			return fault.New(fault.Unavailable, "scripted", "")
		})
		start := time.Now()
		checkKind(t, s.save(t, "a"), fault.Unavailable)
		checkTook(t, start, time.Second, time.Second)
	})
}

func TestAnUnavailableStoreIsSkippedUntilItAnswers(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watch(t)
		synctest.Wait()
		s.fail(failing(fault.Unavailable))
		<-time.After(time.Second)
		before := s.saves.Load()
		checkKind(t, s.save(t, "a"), fault.Unavailable)
		if got := s.saves.Load() - before; got != 0 {
			t.Errorf("saves that reached the journal = %d, want 0", got)
		}
		if s.Available() == nil {
			t.Error("Available = nil, want an error")
		}
		s.fail(nil)
		<-time.After(time.Second)
		if err := s.save(t, "a"); err != nil {
			t.Errorf("save once the store answers again: %v", err)
		}
	})
}

// A caller that makes two calls waits for one timeout, not for two.
func TestAHangingStoreCostsOneTimeout(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watch(t)
		synctest.Wait()
		s.fail(func(op string) error {
			if op == memjournal.Ping { // which has less time
				<-time.After(1500 * time.Millisecond)
			} else {
				<-time.After(3 * time.Second)
			}
			return fault.New(fault.UnknownOutcome, "timeout", "")
		})
		start := time.Now()
		for range 2 {
			if err := s.save(t, "a"); err == nil {
				t.Error("save: error = nil, want one")
			}
		}
		checkTook(t, start, 0, 3500*time.Millisecond)
		s.fail(nil)
		<-time.After(5 * time.Second)
	})
}

func TestAStoreThatCannotBeOpenedIsOpenedLater(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		s.shut.Store(true)
		if err := s.Open(t.Context()); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		checkKind(t, s.save(t, "a"), fault.Unavailable)
		s.watch(t)
		<-time.After(time.Second)
		s.shut.Store(false)
		<-time.After(time.Second)
		if err := s.save(t, "a"); err != nil {
			t.Errorf("save once the store is open: %v", err)
		}
	})
}

func TestRecordsOfOneCallAreSavedIndependently(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		record := func(id string) *ports.Record { return &ports.Record{Kind: "thing", ID: id, Body: []byte("x")} }
		one, two := record("a"), record("b")
		errs := s.Save(t.Context(), one, record("a"), two)
		if errs[0] != nil || errs[2] != nil {
			t.Errorf("errors of the first and the last record = %v and %v, want none", errs[0], errs[2])
		}
		checkKind(t, errs[1], fault.Conflict)
		if two.Rev != 1 {
			t.Errorf("revision of the last record = %d, want 1", two.Rev)
		}
		s.fail(failing(fault.Unavailable))
		before := s.saves.Load()
		for _, err := range s.Save(t.Context(), one, two) {
			checkKind(t, err, fault.Unavailable)
		}
		if got := s.saves.Load() - before; got != 2 {
			t.Errorf("saves of two records = %d, want 2: a call with several is not retried", got)
		}
	})
}
