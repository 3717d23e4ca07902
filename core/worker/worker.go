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
	Fair bool
	// Room, if set, says how many records may be claimed at present; if none, also when to ask again.
	// Claimed is then told how many were, before they are handled.
	Room    func() (n int, wait time.Duration)
	Claimed func(n int)
	Handle  func(ctx context.Context, c ports.Claim) error
	Log     *slog.Logger

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

// claimSpacing spaces the claims that exclude tenants: after one, the next waits for patience times
// as long as the store took. The more records wait, the longer such a claim takes.
const claimSpacing = 4

// Run serves the queue until ctx ends. It then waits for the claims in progress. Their context
// outlives ctx, so that a shutdown does not turn them into unknown outcomes.
func (w *Worker) Run(ctx context.Context) {
	var (
		running = guard.Group{Log: w.Log}
		places  = newSlots(w.Limit, w.Fair)
		detach  = context.WithoutCancel(ctx)
		ticker  = time.NewTicker(w.Idle)
		past    time.Time // no claim excludes tenants before this time
	)
	defer ticker.Stop()
	defer running.Wait()
	// If several cases are ready, select chooses any. So ctx is checked here, too.
	for ctx.Err() == nil {
		// At least one place must be free, or a claim would spend its lease waiting.
		n, full := places.claimable()
		var claims []ports.Claim
		var later <-chan time.Time
		if n > 0 && w.Room != nil {
			room, wait := w.Room()
			if n = min(n, room); n == 0 {
				later = time.After(wait)
			}
		}
		switch began := time.Now(); { //nolint:forbidigo // it measures how long the store takes
		case n == 0: // wait until a place is freed
		case len(full) == 0:
			claims = w.claim(ctx, n)
		case began.Before(past):
			later = time.After(past.Sub(began))
		default:
			claims = w.claim(ctx, n, full...)
			past = time.Now().Add(claimSpacing * time.Since(began)) //nolint:forbidigo // as above
		}
		if w.Claimed != nil {
			w.Claimed(len(claims))
		}
		for _, c := range claims {
			places.acquire(c.Tenant)
			running.Go("queue", func() {
				defer places.release(c.Tenant)
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

// ClaimedAt returns when the worker has taken a claim, by the store's clock.
func (w *Worker) ClaimedAt(c ports.Claim) time.Time { return c.Due.Add(-w.Lease) }

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

// leaseUnit is the coarsest resolution in which a store keeps the end of a lease.
const leaseUnit = time.Millisecond

// Lease is a process's claim on a record: the right to decide what becomes of its work. A
// process that is paused for longer than its lease loses it without noticing. So each such
// decision is a save that succeeds only while the record still has the lease. Two leases of
// one owner that end in the same millisecond are equal: what can be begun again under one
// record compares which try it was, too. The zero Lease is on no record.
type Lease struct {
	owner string
	until time.Time // it tells two leases of one owner apart
}

// Hold puts a lease on a record. It takes effect with the next save.
func Hold(r *ports.Record, owner string, until time.Time) {
	r.Owner, r.Due = owner, until.Truncate(leaseUnit)
}

// LeaseOf returns the lease that a record has.
func LeaseOf(r ports.Record) Lease { return Lease{owner: r.Owner, until: r.Due.Truncate(leaseUnit)} }

// On reports whether a record still has the lease.
func (l Lease) On(r ports.Record) bool {
	now := LeaseOf(r)
	return l.owner != "" && now.owner == l.owner && now.until.Equal(l.until)
}

// slots are the slots of a worker for claims that are being handled, and who holds them.
type slots struct {
	fair  bool
	freed chan struct{} // signaled when there is room again for a tenant that had none

	mu   sync.Mutex
	free int
	held map[string]int // by tenant, if fair
}

func newSlots(n int, fair bool) *slots {
	return &slots{fair: fair, freed: make(chan struct{}, 1), free: n, held: map[string]int{}}
}

// claimable returns how many claims may be taken, of any tenant, and which tenants already have
// their share. All n claims may be of one tenant: when it takes the last of them, it holds no
// more places than are free.
func (p *slots) claimable() (n int, full []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claimableLocked()
}

func (p *slots) claimableLocked() (n int, full []string) {
	if !p.fair {
		return p.free, nil
	}
	most := 0 // the most places held by a tenant that may have more
	for tenant, held := range p.held {
		if held >= p.free {
			full = append(full, tenant)
		} else {
			most = max(most, held)
		}
	}
	return (p.free - most + 1) / 2, full
}

func (p *slots) acquire(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free--
	if p.fair {
		p.held[tenant]++
	}
}

func (p *slots) release(tenant string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, full := p.claimableLocked(); n == 0 || len(full) > 0 {
		select {
		case p.freed <- struct{}{}:
		default:
		}
	}
	p.free++
	if p.held[tenant]--; p.held[tenant] <= 0 {
		delete(p.held, tenant)
	}
}
