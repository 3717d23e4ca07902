package resilience

import (
	"context"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	// watchEvery is how often a store is pinged, and watchTimeout how long it may take to
	// answer. watchTimeout must be less than the timeout of a call, so that the second of
	// two calls is refused at once.
	watchEvery   = 500 * time.Millisecond
	watchTimeout = 1500 * time.Millisecond
	// patience is how long an attempt may take and still be retried. Retries are for broken
	// connections, which fail at once; a call that has waited for a free connection or for
	// an answer does not wait twice.
	patience = 500 * time.Millisecond
)

// Store is an open store.
type Store struct {
	Journal ports.Journal
	Users   ports.UserRepository
	Close   func() error
}

// Storage is a store within a policy, and is its journal. Calls that are proved not to have been executed are
// retried. A store that does not answer is not called until it does. The store may be
// unavailable from the beginning.
type Storage struct {
	open  func(ctx context.Context) (Store, error)
	store atomic.Pointer[Store]
	guard *guard
	// observed is set instead of open and guard if the store has no policy.
	observed *observed
}

// NewStorage decorates the store that open opens. It is not open before Open or Watch.
func NewStorage(name string, open func(ctx context.Context) (Store, error), o Options) *Storage {
	return &Storage{open: open, guard: newGuard(name, o)}
}

// Open opens the store. Its errors are those of the open function.
func (s *Storage) Open(ctx context.Context) error {
	opened, err := s.open(ctx)
	if err != nil {
		s.down(ctx, err)
		return err
	}
	s.store.Store(&opened)
	return nil
}

// Watch pings the store periodically until ctx ends, and opens it if it could not be opened
// before.
func (s *Storage) Watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		s.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Storage) look(ctx context.Context) {
	b := s.guard.breaker
	switch err := s.ping(ctx); {
	case ctx.Err() != nil:
	case err != nil && !b.IsOpen():
		s.down(ctx, err)
	case err == nil && !b.IsClosed():
		b.Close()
	}
}

// down opens the breaker, and records why.
func (s *Storage) down(ctx context.Context, err error) {
	if ctx.Err() == nil {
		_ = s.guard.blame(err) // for the log; the caller returns its own error
	}
	s.guard.breaker.Open()
}

func (s *Storage) ping(ctx context.Context) error {
	opened := s.store.Load()
	if opened == nil {
		return s.Open(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	return opened.Journal.Ping(ctx)
}

// Close closes the store, if it is open.
func (s *Storage) Close() error {
	if opened := s.store.Load(); opened != nil {
		return opened.Close()
	}
	return nil
}

// Available implements ports.Availability.
func (s *Storage) Available() error {
	if s.observed != nil {
		return nil
	}
	return s.guard.available()
}

// Users returns the store's users.
func (s *Storage) Users() ports.UserRepository { return users{s} }

// storing is for calls to stores. They are retried only if nothing was done, so no outcome
// becomes unknown.
var storing = sort{again: notDone, settles: func(*fault.Error) bool { return false }}

var errNotOpen = fault.New(fault.Unavailable, "store_not_open", "the database has not been reached yet; nothing was done")

// callStore makes a call that returns a value: see do.
func callStore[T any](ctx context.Context, s *Storage, op string, call func(ctx context.Context, o *Store) (T, error)) (out T, err error) {
	err = s.do(ctx, op, func(ctx context.Context, o *Store) (err error) {
		out, err = call(ctx, o)
		return err
	})
	return out, err
}

// do makes a call to an open store. The ports of stores have no Canceled: a caller that has
// given up gets Unavailable, because nothing was done.
func (s *Storage) do(ctx context.Context, op string, call func(ctx context.Context, o *Store) error) error {
	opened := s.store.Load()
	if s.observed != nil {
		return s.observed.note(ctx, op, call(ctx, opened))
	}
	if opened == nil {
		s.guard.tell(Event{Op: op, Decision: Skipped})
		missing := *errNotOpen
		missing.Provider = s.guard.provider
		return &missing
	}
	err := s.guard.do(ctx, op, storing, func(ctx context.Context) error {
		began := time.Now()
		err := call(ctx, opened)
		if time.Since(began) > patience {
			err = once(err)
		}
		return err
	})
	if fault.Is(err, fault.Canceled) {
		err = fault.Wrap(fault.Unavailable, "resilience."+op, err)
	}
	return err
}
