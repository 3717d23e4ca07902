// Package queue runs what waits in the journal: it claims records that are due
// and hands each to a function, a bounded number at a time. A Set does so for each
// of several providers, so that none waits for another's.
package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/guard"
	"patchbay/ports"
)

// Worker serves one queue. Handle decides what becomes of a claim and saves it;
// what it does not save is claimed again, marked as expired, when its lease has
// run out. Its error says that this program can do nothing with the record, as where
// that cannot be decoded. After such an error, and after a panic, the record is put off
// as it is, and set aside in the end: see Setbacks.
type Worker struct {
	Journal ports.Journal
	Queue   string
	Owner   string        // this process, unique among those that share the store
	Lease   time.Duration // longer than Handle ever takes
	Idle    time.Duration // how often to look when nobody nudges
	Limit   int           // claims handled at once
	// Fair keeps a tenant from holding more places than are free: one alone holds at
	// most half of them, and whoever comes finds one however much another has waiting.
	Fair   bool
	Handle func(ctx context.Context, c ports.Claim) error
	Log    *slog.Logger

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

// patience is how many times as long as the store took to look past what some have
// waiting it is left alone with that: the more waits, the longer it takes.
const patience = 4

// Run serves the queue until ctx ends, then waits for the claims under way.
// Those get a context that outlives ctx, so that a drain does not turn work
// into unknown outcomes.
func (w *Worker) Run(ctx context.Context) {
	var (
		running = guard.Group{Log: w.Log}
		places  = newPlaces(w.Limit, w.Fair)
		detach  = context.WithoutCancel(ctx)
		ticker  = time.NewTicker(w.Idle)
		past    time.Time // before then nobody is passed over
	)
	defer ticker.Stop()
	defer running.Wait()
	// Where several cases are ready, a select takes any: the end is asked for here.
	for ctx.Err() == nil {
		// At least one place must be free, else a claim would wait on its lease.
		n, full := places.room()
		var claims []ports.Claim
		var later <-chan time.Time
		switch began := time.Now(); { //nolint:forbidigo // it measures how long the store takes
		case n == 0: // until one is freed
		case len(full) == 0:
			claims = w.claim(ctx, n)
		case began.Before(past):
			later = time.After(past.Sub(began))
		default:
			claims = w.claim(ctx, n, full...)
			past = time.Now().Add(patience * time.Since(began)) //nolint:forbidigo // as above
		}
		for _, c := range claims {
			places.take(c.Tenant)
			running.Go("queue", func() {
				defer places.put(c.Tenant)
				w.Do(detach, c)
			})
		}
		if len(claims) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-places.freed:
		case <-later:
		case <-w.wake():
		case <-ticker.C:
		}
	}
}

// Do handles a claim of the worker's queue. Whoever takes claims by itself has them handled
// by Do, so that one which cannot be handled is set back.
func (w *Worker) Do(ctx context.Context, c ports.Claim) {
	if err := guard.Do(func() error { return w.Handle(ctx, c) }); err != nil {
		w.setBack(ctx, c, err)
	}
}

// Taken is when the worker has taken a claim, by the store's clock.
func (w *Worker) Taken(c ports.Claim) time.Time { return c.Due.Add(-w.Lease) }

func (w *Worker) claim(ctx context.Context, n int, except ...string) []ports.Claim {
	claims, err := w.Journal.Claim(ctx, w.Queue, w.Owner, w.Lease, n, except...)
	if err != nil && ctx.Err() == nil {
		w.Log.WarnContext(ctx, "queue is not served", "queue", w.Queue, "error", err)
	}
	return claims
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
