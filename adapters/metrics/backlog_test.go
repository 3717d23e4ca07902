package metrics_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/metrics"
)

// stock is a store that counts, or fails, as told.
type stock struct {
	fails, hangs atomic.Bool
	asked        atomic.Int64
}

func (s *stock) count(ctx context.Context) (metrics.Backlog, error) {
	s.asked.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return metrics.Backlog{}, ctx.Err()
	}
	if s.fails.Load() {
		return metrics.Backlog{}, errors.New("the store is gone")
	}
	return metrics.Backlog{
		Queues: map[string]metrics.Count{"mail": {N: 3, Oldest: 90 * time.Second}, "payments": {}},
		Open:   map[string]metrics.Count{"payments_unknown": {N: 1, Oldest: time.Hour}},
	}, nil
}

var shownBacklog = []string{
	"patchbay_store_counted 1", `patchbay_queue_depth{queue="mail"} 3`, `patchbay_queue_oldest_seconds{queue="mail"} 90`,
	`patchbay_queue_depth{queue="payments"} 0`, `patchbay_queue_oldest_seconds{queue="payments"} 0`,
	`patchbay_open{of="payments_unknown"} 1`, `patchbay_open_oldest_seconds{of="payments_unknown"} 3600`,
}

func wantBacklog(t *testing.T, m *metrics.Metrics) {
	t.Helper()
	text := scrape(t, m)
	for _, want := range shownBacklog {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

// While the store cannot count there is no number: 0 would say that all is well.
func wantNone(t *testing.T, m *metrics.Metrics) {
	t.Helper()
	text := scrape(t, m)
	if !strings.Contains(text, "\npatchbay_store_counted 0\n") || strings.Contains(text, "patchbay_queue_") || strings.Contains(text, "patchbay_open") {
		t.Errorf("metrics while the store is unavailable =\n%s\nwant patchbay_store_counted 0, and no counts", text)
	}
}

func TestBacklogIsAbsentWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, s := metrics.New(), &stock{}
		m.Backlog(s.count)
		wantBacklog(t, m)
		s.fails.Store(true)
		<-time.After(5 * time.Second)
		wantNone(t, m)
		s.fails.Store(false)
		<-time.After(5 * time.Second)
		wantBacklog(t, m)
		s.hangs.Store(true)
		<-time.After(5 * time.Second)
		began := time.Now()
		wantNone(t, m)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("a scrape of a store that hangs took %s, want 2s", took)
		}
	})
}

func TestBacklogIsCountedOnceInFiveSeconds(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"the store answers": false, "the store is unavailable": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, s := metrics.New(), &stock{}
				s.fails.Store(fails)
				m.Backlog(s.count)
				for range 100 {
					scrape(t, m)
					<-time.After(100 * time.Millisecond)
				}
				if n := s.asked.Load(); n != 2 {
					t.Errorf("asked %d times in ten seconds, want 2", n)
				}
			})
		})
	}
}
