package failover

import (
	"context"
	"sync/atomic"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
)

const (
	// watchEvery is how often a store is asked whether it is there, and
	// watchTimeout how long it has to say so. It must be less than the time-out of
	// a call, so that whoever makes two finds the second refused at once.
	watchEvery   = 500 * time.Millisecond
	watchTimeout = 1500 * time.Millisecond
	// patience is how long a try may take and still be followed by another. That is
	// for a connection that broke, which shows at once; whoever has waited for one
	// that was free, or for an answer, does not wait twice.
	patience = 500 * time.Millisecond
)

// Store is a store that is open.
type Store struct {
	Journal ports.Journal
	Users   ports.UserRepository
	Close   func() error
}

// Storage is a store within a policy. What is proved not to have been done is tried
// again; a store that does not answer is left alone until it does. It may be gone
// from the beginning.
type Storage struct {
	open  func(ctx context.Context) (Store, error)
	store atomic.Pointer[Store]
	guard *guard
	// observed is set in place of open and guard where the store has no policy.
	observed *observed
}

// NewStorage decorates what open opens. It is not open before Open or Watch.
func NewStorage(name string, open func(ctx context.Context) (Store, error), o Options) *Storage {
	return &Storage{open: open, guard: newGuard(name, o)}
}

// Open opens the store. Its errors are those of the store's own opening.
func (s *Storage) Open(ctx context.Context) error {
	opened, err := s.open(ctx)
	if err != nil {
		s.down(ctx, err)
		return err
	}
	s.store.Store(&opened)
	return nil
}

// Watch asks the store again and again whether it is there, until ctx ends, and
// opens it where that could not be done before.
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

// down leaves the store alone, and tells why.
func (s *Storage) down(ctx context.Context, err error) {
	if ctx.Err() == nil {
		_ = s.guard.blame(err) // for the log; the caller has its own words for it
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

// Journal gives the store's journal.
func (s *Storage) Journal() ports.Journal { return journal{s} }

// Users gives the store's users.
func (s *Storage) Users() ports.UserRepository { return users{s} }

// storing is repeated only where nothing was done, so that nothing unknown is left
// behind.
var storing = sort{again: notDone, settles: func(*fault.Error) bool { return false }}

var errNotOpen = fault.New(fault.Unavailable, "store_not_open", "the database has not been reached yet; nothing was done")

// in makes a call of an open store. The ports of stores know no Canceled: whoever
// has left gets what is true of the store, that nothing was done.
func in[T any](ctx context.Context, s *Storage, op string, call func(ctx context.Context, o *Store) (T, error)) (T, error) {
	var out T
	opened := s.store.Load()
	if s.observed != nil {
		out, err := call(ctx, opened)
		return out, s.observed.note(ctx, op, err)
	}
	if opened == nil {
		s.guard.tell(Event{Op: op, Decision: Skipped})
		missing := *errNotOpen
		missing.Provider = s.guard.provider
		return out, &missing
	}
	err := s.guard.do(ctx, op, storing, func(ctx context.Context) (err error) {
		began := time.Now()
		if out, err = call(ctx, opened); time.Since(began) > patience {
			err = once(err)
		}
		return err
	})
	if fault.Is(err, fault.Canceled) {
		err = fault.Wrap(fault.Unavailable, "failover."+op, err)
	}
	return out, err
}
