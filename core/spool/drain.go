package spool

import (
	"context"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/core/guard"
	"patchbay/core/idempotency"
	"patchbay/core/worker"
	"patchbay/ports"
)

const (
	pingEvery   = 500 * time.Millisecond // checks whether the store is available again
	moveLease   = time.Minute
	movedAtOnce = 4 // each may have 20 MB of files

	purgeEvery = time.Hour
	purgeSize  = 500
)

// Run moves held records into the store whenever the store is available, until ctx ends.
func (s *Spool) Run(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	var purged time.Time
	for {
		if now := s.Clock.Now(); now.Sub(purged) >= purgeEvery {
			s.purge(ctx, now.Add(-idempotency.Kept))
			purged = now
		}
		if s.Held() > 0 && s.Store.Ping(ctx) == nil {
			s.drain(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// purge deletes records that were held before a time and no longer wait.
func (s *Spool) purge(ctx context.Context, before time.Time) {
	for ctx.Err() == nil {
		n, err := s.Local.Purge(ctx, "", heldKind, before, purgeSize)
		if err != nil {
			s.Log.ErrorContext(ctx, "spool is not purged", "error", err)
		}
		if n == 0 {
			return
		}
	}
}

// drain moves waiting records, the oldest first, until none waits or the store is unavailable
// again.
func (s *Spool) drain(ctx context.Context) {
	for ctx.Err() == nil {
		claims, err := s.Local.Claim(ctx, queueName, s.Owner, moveLease, movedAtOnce)
		if err != nil {
			s.Log.ErrorContext(ctx, "spool is not read", "error", err)
		}
		var done atomic.Int32
		mover := &worker.Worker{
			Journal: s.Local, Queue: queueName, Owner: s.Owner, Lease: moveLease, Log: s.Log,
			Handle: func(ctx context.Context, c ports.Claim) error {
				if s.move(ctx, c.Record) {
					done.Add(1)
				}
				return nil
			},
		}
		all := guard.Group{Log: s.Log}
		for _, c := range claims {
			all.Go("spool", func() { mover.Do(context.WithoutCancel(ctx), c) })
		}
		all.Wait()
		if len(claims) == 0 || int(done.Load()) < len(claims) {
			return
		}
	}
}

// move puts one record into the store, and reports whether that is done: the record was moved, or
// is permanently refused.
func (s *Spool) move(ctx context.Context, w ports.Record) bool {
	w.Index.Status = s.offer(ctx, w)
	w.Owner, w.Due = "", s.Clock.Now()
	key := w.Idem
	switch w.Index.Status {
	case stateMoved:
		w.Queue, w.Idem, w.Body, w.Content = "", "", empty, nil // the store has the key
	case stateRefused:
		w.Queue = refusedTo // a queue, so that it is never purged
		s.Log.ErrorContext(ctx, "database has something else under this name; what was accepted is kept in the spool", "record", w.ID)
	}
	if serr := s.Local.Save(ctx, &w)[0]; serr != nil {
		s.Log.ErrorContext(ctx, "state of what is in the spool is not saved", "record", w.ID, "error", serr)
		return false // the lease expires, and it is moved again, which changes nothing
	}
	if w.Index.Status == stateHeld {
		return false
	}
	w.Idem = key
	s.forget(w)
	return true
}

// offer offers a record to the store, and returns the record's new state. The store may already
// have the record: its response was lost, or the key was used before or after the store was
// unavailable.
func (s *Spool) offer(ctx context.Context, w ports.Record) string {
	r, err := unwrap(w)
	if err != nil {
		return stateRefused
	}
	s.release(&r)
	if known, err := s.known(ctx, r.Record); err != nil {
		return stateHeld
	} else if known {
		return stateMoved
	}
	state, stored := s.store(ctx, r)
	if anew := s.Kinds[r.Kind].Anew; state == stateRefused && anew != nil {
		if fresh, ok := anew(r.Record, stored, r.Children); ok {
			state, _ = s.store(ctx, parcel{fresh, r.Children})
		}
	}
	return state
}

// release readies a parcel for the store.
func (s *Spool) release(r *parcel) {
	for _, one := range append([]*ports.Record{&r.Record}, r.Children...) {
		if release := s.Kinds[one.Kind].Release; release != nil {
			release(one)
		}
	}
}

// known reports whether the store already has a record under another id.
func (s *Spool) known(ctx context.Context, r ports.Record) (bool, error) {
	kind := s.Kinds[r.Kind]
	if kind.Others == nil {
		return false, nil
	}
	for _, id := range kind.Others(r) {
		stored, err := s.Store.Get(ctx, r.Tenant, r.Kind, id)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return false, err
		case kind.Same(r, stored):
			return true, nil
		}
	}
	return false, nil
}

// store offers a record unchanged. If it is refused because of a stored record, that is
// returned.
func (s *Spool) store(ctx context.Context, r parcel) (state string, stored ports.Record) {
	var err error
	if len(r.Children) > 0 {
		err = s.Store.Attach(ctx, &r.Record, r.Children...)
	} else {
		err = s.Store.Save(ctx, &r.Record)[0]
	}
	switch {
	case err == nil:
		return stateMoved, stored
	case fault.Is(err, fault.Invalid):
		return stateRefused, stored
	case !fault.Is(err, fault.Conflict):
		return stateHeld, stored
	}
	stored, err = s.Store.Get(ctx, r.Tenant, r.Kind, r.ID)
	if fault.Is(err, fault.NotFound) {
		stored, err = s.Store.Find(ctx, r.Kind, ports.ByIdem, r.Idem)
	}
	switch {
	case err != nil:
		return stateHeld, stored
	case s.Kinds[r.Kind].Same(r.Record, stored):
		return stateMoved, stored
	}
	return stateRefused, stored
}
