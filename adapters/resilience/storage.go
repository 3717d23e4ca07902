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
	// retriedWithin is how long an attempt may take and still be retried. Retries are for
	// broken connections, which fail at once; a call that has waited for a free connection or
	// for an answer does not wait twice.
	retriedWithin = 500 * time.Millisecond
)

// Store is an open store.
type Store struct {
	Journal ports.Journal
	Users   ports.UserRepository
	Close   func() error
}

// Storage is a store within a policy, and is its journal. Calls that are proved not to have
// been executed are retried. A store that does not answer is not called until it does. The
// store may be unavailable from the beginning.
type Storage struct {
	open  func(ctx context.Context) (Store, error) // nil for a store without a policy
	store atomic.Pointer[Store]
	guard *guard
}

// Observe decorates an open store without a policy, because it is on this machine. It reports
// each call, and neither bounds nor retries calls. observe must not be nil.
func Observe(name string, store Store, observe func(Event)) *Storage {
	s := &Storage{guard: &guard{provider: name, observe: observe}}
	s.store.Store(&store)
	return s
}

// NewStorage decorates the store that open opens. It is not open before Open or Watch.
func NewStorage(name string, open func(ctx context.Context) (Store, error), o Options) *Storage {
	return &Storage{open: open, guard: newGuard(name, o)}
}

// Open opens the store. Its errors are those of the open function.
func (s *Storage) Open(ctx context.Context) error {
	opened, err := s.open(ctx)
	if err != nil {
		s.markDown(ctx, err)
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
		s.check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Storage) check(ctx context.Context) {
	b := s.guard.breaker
	switch err := s.ping(ctx); {
	case ctx.Err() != nil:
	case err != nil && !b.IsOpen():
		s.markDown(ctx, err)
	case err == nil && !b.IsClosed():
		b.Close()
	}
}

// markDown opens the breaker, and records why.
func (s *Storage) markDown(ctx context.Context, err error) {
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
	if s.open == nil {
		return nil
	}
	return s.guard.Available()
}

// Users returns the store's users.
func (s *Storage) Users() ports.UserRepository { return users{s} }

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
	if s.open == nil {
		err := call(ctx, opened)
		_, err = s.guard.tried(Event{Op: op, Attempt: 1}, err, ctx.Err() != nil)
		return err
	}
	if opened == nil {
		s.guard.report(Event{Op: op, Decision: Skipped})
		return &fault.Error{
			Kind: fault.Unavailable, Provider: s.guard.provider, Code: "store_not_open",
			Message: "the database has not been reached yet; nothing was done",
		}
	}
	err := s.guard.do(ctx, op, withoutKey, func(ctx context.Context) error {
		began := time.Now()
		err := call(ctx, opened)
		if time.Since(began) > retriedWithin {
			err = noRetry(err)
		}
		return err
	})
	if fault.Is(err, fault.Canceled) {
		err = fault.Wrap(fault.Unavailable, "resilience."+op, err)
	}
	return err
}
