// Package queue runs what waits in the journal: it claims records that are due
// and hands each to a function, a bounded number at a time.
package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/ports"
)

// Worker serves one queue. Handle decides what becomes of a claim and saves it;
// what it does not save is claimed again, marked as expired, when its lease has
// run out. Handle must not panic.
type Worker struct {
	Journal ports.Journal
	Queue   string
	Owner   string        // this process, unique among those that share the store
	Lease   time.Duration // longer than Handle ever takes
	Idle    time.Duration // how often to look when nobody nudges
	Limit   int           // claims handled at once
	Handle  func(ctx context.Context, c ports.Claim)
	Log     *slog.Logger

	once  sync.Once
	nudge chan struct{}
}

// Nudge makes the worker look at once. It never blocks.
func (w *Worker) Nudge() {
	select {
	case w.wake() <- struct{}{}:
	default:
	}
}

func (w *Worker) wake() chan struct{} {
	w.once.Do(func() { w.nudge = make(chan struct{}, 1) })
	return w.nudge
}

// Run serves the queue until ctx ends, then waits for the claims under way.
// Those get a context that outlives ctx, so that a drain does not turn work
// into unknown outcomes.
func (w *Worker) Run(ctx context.Context) {
	var (
		running sync.WaitGroup
		free    = make(chan struct{}, w.Limit)
		detach  = context.WithoutCancel(ctx)
		ticker  = time.NewTicker(w.Idle)
	)
	defer ticker.Stop()
	defer running.Wait()
	// Where several cases are ready, a select takes any: the end is asked for here.
	for ctx.Err() == nil {
		// At least one place must be free, else a claim would wait on its lease.
		select {
		case free <- struct{}{}:
			<-free
		case <-ctx.Done():
			return
		}
		claims, err := w.Journal.Claim(ctx, w.Queue, w.Owner, w.Lease, w.Limit-len(free))
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("queue: claiming failed", "queue", w.Queue, "error", err)
		}
		for _, c := range claims {
			free <- struct{}{}
			running.Go(func() {
				defer func() { <-free }()
				w.Handle(detach, c)
			})
		}
		if len(claims) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-w.wake():
		case <-ticker.C:
		}
	}
}

// Backoff is a schedule: how long to wait after the nth failure, from 1. After
// the last entry ok is false.
type Backoff []time.Duration

// After returns the wait after n failures.
func (b Backoff) After(n int) (wait time.Duration, ok bool) {
	if n < 1 || n > len(b) {
		return 0, false
	}
	return b[n-1], true
}
