package retention_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/retention"
)

// shelf holds entries by when they were made.
type shelf struct {
	mu   sync.Mutex
	made []time.Time
	fail error
}

func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.made)
}

func (s *shelf) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *shelf) purge(_ context.Context, before time.Time, n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	var kept []time.Time
	gone := 0
	for _, at := range s.made {
		if at.Before(before) && gone < n {
			gone++
		} else {
			kept = append(kept, at)
		}
	}
	s.made = kept
	return gone, nil
}

func within(t *testing.T, test func(t *testing.T, short, long *shelf)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		short, long := &shelf{}, &shelf{}
		s := &retention.Service{Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Rules: []retention.Rule{
			{What: "short", Age: time.Hour, Purge: short.purge}, {What: "long", Age: 10 * time.Hour, Purge: long.purge},
		}}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		<-time.After(time.Minute)
		for range 1200 { // more than go at once
			short.made, long.made = append(short.made, time.Now()), append(long.made, time.Now())
		}
		go func() { defer close(done); s.Run(ctx) }()
		test(t, short, long)
		stop()
		<-done
	})
}

func TestEachRuleRemovesWhatIsOldEnough(t *testing.T) {
	within(t, func(t *testing.T, short, long *shelf) {
		<-time.After(59 * time.Minute)
		if short.left() != 1200 {
			t.Errorf("removed early: %d are left", short.left())
		}
		<-time.After(2 * time.Hour)
		if short.left() != 0 || long.left() != 1200 {
			t.Errorf("%d and %d are left", short.left(), long.left())
		}
		<-time.After(9 * time.Hour)
		if long.left() != 0 {
			t.Errorf("%d are left", long.left())
		}
	})
}

func TestWhatFailsHoldsNothingBackAndIsTriedAgain(t *testing.T) {
	within(t, func(t *testing.T, short, long *shelf) {
		short.fails(fault.New(fault.Unavailable, "scripted", ""))
		<-time.After(12 * time.Hour)
		if short.left() != 1200 || long.left() != 0 {
			t.Errorf("%d and %d are left", short.left(), long.left())
		}
		short.fails(nil)
		<-time.After(2 * time.Hour)
		if short.left() != 0 {
			t.Errorf("%d are left", short.left())
		}
	})
}
