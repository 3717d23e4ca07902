package worker_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/worker"
	"patchbay/ports"
)

// claimer is a journal of which only Claim is called. It does not look whether
// the context has ended, as a store need not.
type claimer struct {
	ports.Journal
	claim func(ctx context.Context) []ports.Claim
}

func (c claimer) Claim(ctx context.Context, _, _ string, _ time.Duration, _ int, _ ...string) ([]ports.Claim, error) {
	return c.claim(ctx), nil
}

func one() []ports.Claim { return []ports.Claim{{Record: ports.Record{ID: "1"}}} }

// What is under way is finished, and its context goes on: to cancel a call to a
// provider would make its outcome unknown.
func TestStopWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, stop := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
		defer stop()
		var finished atomic.Bool
		w := &worker.Worker{
			Journal: claimer{claim: func(context.Context) []ports.Claim { return one() }},
			Idle:    idle, Limit: 1, Log: slog.New(slog.DiscardHandler),
			Handle: func(ctx context.Context, _ ports.Claim) error {
				<-time.After(time.Minute)
				if ctx.Err() != nil || ctx.Value(key{}) != "kept" {
					t.Errorf("handled under %v", ctx)
				}
				finished.Store(true)
				return nil
			},
		}
		start := time.Now()
		time.AfterFunc(time.Second, stop)
		w.Run(ctx)
		if !finished.Load() || time.Since(start) != time.Minute {
			t.Errorf("ended after %s, finished: %v; want after the minute that it took", time.Since(start), finished.Load())
		}
	})
}

// A claim that is taken while the process ends delays its end, and is lost to
// others until its lease has run out.
func TestNothingIsClaimedAfterStop(t *testing.T) {
	t.Parallel()
	for range 64 { // a choice between two ready channels is random
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			var late atomic.Int64
			w := &worker.Worker{
				Idle: idle, Limit: 4, Log: slog.New(slog.DiscardHandler), Handle: func(context.Context, ports.Claim) error { return nil },
				Journal: claimer{claim: func(ctx context.Context) []ports.Claim {
					if ctx.Err() != nil {
						late.Add(1)
						return nil
					}
					stop()
					return one()
				}},
			}
			w.Nudge()
			w.Run(ctx)
			if n := late.Load(); n > 0 {
				t.Fatalf("claimed %d times after the end", n)
			}
		})
	}
}

func TestStopWhileIdleEndsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		w := &worker.Worker{
			Journal: claimer{claim: func(context.Context) []ports.Claim { return nil }},
			Idle:    idle, Limit: 1, Log: slog.New(slog.DiscardHandler),
		}
		start := time.Now()
		time.AfterFunc(time.Second, stop)
		w.Run(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("ended after %s, want at once", took)
		}
	})
}

// The end of the process is no failure of the journal.
func TestStopIsNotLogged(t *testing.T) {
	within(t, 1, nil, func(t *testing.T, r *rig) {
		r.Journal = stopping{r.Journal, r.stop}
		r.Nudge()
		<-r.ctx.Done()
		synctest.Wait()
		if n := r.warned.Load(); n != 0 {
			t.Errorf("%d warnings", n)
		}
	})
}

// stopping ends the worker just before a claim, which then fails.
type stopping struct {
	ports.Journal
	stop context.CancelFunc
}

func (s stopping) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	s.stop()
	return s.Journal.Claim(ctx, queue, owner, lease, n, except...)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	schedule := worker.Backoff{time.Second, time.Minute, time.Hour}
	tests := []struct {
		name     string
		schedule worker.Backoff
		failures int
		wait     time.Duration
		ok       bool
	}{
		{"the first failure", schedule, 1, time.Second, true},
		{"the second", schedule, 2, time.Minute, true},
		{"the last", schedule, 3, time.Hour, true},
		{"one more is the end", schedule, 4, 0, false},
		{"no failure", schedule, 0, 0, false},
		{"less than none", schedule, -1, 0, false},
		{"an empty schedule", nil, 1, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if wait, ok := tt.schedule.After(tt.failures); wait != tt.wait || ok != tt.ok {
				t.Errorf("After(%d) = %s, %v; want %s, %v", tt.failures, wait, ok, tt.wait, tt.ok)
			}
		})
	}
}
