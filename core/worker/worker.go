// Package worker handles the records that wait in the journal. It claims records that are due
// and passes each to a function, a bounded number at a time. A Set does so for each of several
// providers, so that they do not wait for each other.
package worker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/guard"
	"patchbay/ports"
)

// Worker serves one queue. Handle decides what becomes of a claim, and saves that. A record
// that it does not save is claimed again when the lease has run out, marked as expired. An
// error of Handle means that this program cannot do anything with the record, for example
// because it cannot be decoded. After such an error, or after a panic, the record is
// postponed unchanged, and in the end set aside: see Setbacks.
type Worker struct {
	Journal ports.Journal
	Queue   string
	Owner   string        // ID of this process, unique among those that share the store
	Lease   time.Duration // longer than Handle ever takes
	Idle    time.Duration // how often to look for due records without a Nudge
	Limit   int           // claims handled concurrently
	// Fair keeps a tenant from holding more places than are free. A tenant alone holds at
	// most half of them. Another tenant finds a free place however much the first has waiting.
	Fair   bool
	Handle func(ctx context.Context, c ports.Claim) error
	Log    *slog.Logger

	once  sync.Once
	nudge chan struct{}
}

// Nudge makes the worker look for due records at once. It never blocks.
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

// patience spaces the claims that exclude tenants: after one, the next waits for patience times
// as long as the store took. The more records wait, the longer such a claim takes.
const patience = 4

// Run serves the queue until ctx ends. It then waits for the claims in progress. Their context
// outlives ctx, so that a shutdown does not turn them into unknown outcomes.
func (w *Worker) Run(ctx context.Context) {
	var (
		running = guard.Group{Log: w.Log}
		places  = newPlaces(w.Limit, w.Fair)
		detach  = context.WithoutCancel(ctx)
		ticker  = time.NewTicker(w.Idle)
		past    time.Time // no claim excludes tenants before this time
	)
	defer ticker.Stop()
	defer running.Wait()
	// If several cases are ready, select chooses any. So ctx is checked here, too.
	for ctx.Err() == nil {
		// At least one place must be free, or a claim would spend its lease waiting.
		n, full := places.room()
		var claims []ports.Claim
		var later <-chan time.Time
		switch began := time.Now(); { //nolint:forbidigo // it measures how long the store takes
		case n == 0: // wait until a place is freed
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

// Do handles a claim of the worker's queue. Code that takes claims itself must handle them by
// Do, so that a claim that cannot be handled is set back.
func (w *Worker) Do(ctx context.Context, c ports.Claim) {
	if err := guard.Do(func() error { return w.Handle(ctx, c) }); err != nil {
		w.setBack(ctx, c, err)
	}
}

// Taken returns when the worker has taken a claim, by the store's clock.
func (w *Worker) Taken(c ports.Claim) time.Time { return c.Due.Add(-w.Lease) }

func (w *Worker) claim(ctx context.Context, n int, except ...string) []ports.Claim {
	claims, err := w.Journal.Claim(ctx, w.Queue, w.Owner, w.Lease, n, except...)
	if err != nil && ctx.Err() == nil {
		w.Log.WarnContext(ctx, "queue is not served", "queue", w.Queue, "error", err)
	}
	return claims
}

// Backoff is a schedule: how long to wait after the nth failure, starting at 1.
type Backoff []time.Duration

// After returns the wait after n failures. ok is false after the last entry.
func (b Backoff) After(n int) (wait time.Duration, ok bool) {
	if n < 1 || n > len(b) {
		return 0, false
	}
	return b[n-1], true
}
