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
	asked atomic.Int64 // saves that came through
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
				s.asked.Add(1)
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

// watched runs the health check of the store for the rest of a test.
func (s *store) watched(t *testing.T) {
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

func TestWhatAStoreDidNotDoIsTriedAgain(t *testing.T) {
	tests := []struct {
		name  string
		kind  fault.Kind
		tries int64
	}{
		{"proved not done: once more", fault.Unavailable, 2},
		{"perhaps done: not again, it is reread by its caller", fault.UnknownOutcome, 1},
		{"a conflict is an answer", fault.Conflict, 1},
		{"a mistake of ours stays one", fault.Internal, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onVirtualTime(t, func(t *testing.T, s *store) {
				if err := s.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.fail(failing(tt.kind))
				if err := s.save(t, "a"); !fault.Is(err, tt.kind) || s.asked.Load() != tt.tries {
					t.Errorf("%v after %d tries, want %s after %d", err, s.asked.Load(), tt.kind, tt.tries)
				}
			})
		})
	}
}

// A caller that has waited for a connection in vain does not wait twice.
func TestAWaitForAConnectionIsNotRepeated(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.fail(func(string) error {
			<-time.After(time.Second)
			return fault.New(fault.Unavailable, "scripted", "")
		})
		start := time.Now()
		if err := s.save(t, "a"); !fault.Is(err, fault.Unavailable) || time.Since(start) != time.Second {
			t.Errorf("%v after %s, want kind %v, after %v", err, time.Since(start), fault.Unavailable, time.Second)
		}
	})
}

func TestAnUnavailableStoreIsSkippedUntilItAnswers(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watched(t)
		synctest.Wait()
		s.fail(failing(fault.Unavailable))
		<-time.After(time.Second)
		before := s.asked.Load()
		if err := s.save(t, "a"); !fault.Is(err, fault.Unavailable) || s.asked.Load() != before {
			t.Errorf("%v, and it was asked %d times, want kind %v, asked %v", err, s.asked.Load()-before, fault.Unavailable, before)
		}
		if s.Available() == nil {
			t.Error("Available: got nil, want an error")
		}
		s.fail(nil)
		<-time.After(time.Second)
		if err := s.save(t, "a"); err != nil {
			t.Errorf("it is back: %v", err)
		}
	})
}

// A caller that makes two calls waits for one timeout, not for two.
func TestAHangingStoreCostsOneTimeout(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.watched(t)
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
				t.Error("it was saved, want an error")
			}
		}
		if took := time.Since(start); took > 3500*time.Millisecond {
			t.Errorf("two calls took %s, want at most %v", took, 3500*time.Millisecond)
		}
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
		if err := s.save(t, "a"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("before it is open: got %v, want kind %v", err, fault.Unavailable)
		}
		s.watched(t)
		<-time.After(time.Second)
		s.shut.Store(false)
		<-time.After(time.Second)
		if err := s.save(t, "a"); err != nil {
			t.Errorf("after: %v", err)
		}
	})
}

func TestSeveralRecordsAreSavedEachForItself(t *testing.T) {
	onVirtualTime(t, func(t *testing.T, s *store) {
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		one, two := &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")}, &ports.Record{Kind: "thing", ID: "b", Body: []byte("x")}
		if errs := s.Save(t.Context(), one, &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")}, two); errs[0] != nil ||
			!fault.Is(errs[1], fault.Conflict) || errs[2] != nil || two.Rev != 1 {
			t.Errorf("got %v, want the second alone of kind %v", errs, fault.Conflict)
		}
		s.fail(failing(fault.Unavailable))
		before := s.asked.Load()
		if errs := s.Save(t.Context(), one, two); !fault.Is(errs[0], fault.Unavailable) || !fault.Is(errs[1], fault.Unavailable) || s.asked.Load() != before+2 {
			t.Errorf("%v after %d, want kind %v, asked %v", errs, s.asked.Load()-before, fault.Unavailable, before+2)
		}
	})
}
