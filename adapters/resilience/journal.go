package resilience

import (
	"context"
	"errors"
	"slices"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

var _ ports.Journal = (*Storage)(nil)

// Save implements ports.Records. Several records are saved in one call, which is not
// retried: some of them may have been saved.
func (s *Storage) Save(ctx context.Context, records ...*ports.Record) []error {
	if len(records) == 1 {
		return []error{s.do(ctx, "save", func(ctx context.Context, o *Store) error { return o.Journal.Save(ctx, records[0])[0] })}
	}
	errs, err := callStore(ctx, s, "save", func(ctx context.Context, o *Store) ([]error, error) {
		errs := o.Journal.Save(ctx, records...)
		return errs, noRetry(errors.Join(errs...))
	})
	if errs == nil {
		return slices.Repeat([]error{err}, len(records))
	}
	return errs
}

// noRetry marks a failure as not to be retried.
func noRetry(err error) error {
	if err == nil {
		return nil
	}
	f := *fault.From(err)
	f.NoRetry = true
	return &f
}

// Attach implements ports.Children.
func (s *Storage) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	return s.do(ctx, "attach", func(ctx context.Context, o *Store) error { return o.Journal.Attach(ctx, parent, children...) })
}

// Detach implements ports.Children.
func (s *Storage) Detach(ctx context.Context, parent *ports.Record) error {
	return s.do(ctx, "detach", func(ctx context.Context, o *Store) error { return o.Journal.Detach(ctx, parent) })
}

// Get implements ports.Records.
func (s *Storage) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	return callStore(ctx, s, "get", func(ctx context.Context, o *Store) (ports.Record, error) {
		return o.Journal.Get(ctx, tenant, kind, id)
	})
}

// Find implements ports.Records.
func (s *Storage) Find(ctx context.Context, kind string, by ports.Unique, value string) (ports.Record, error) {
	return callStore(ctx, s, "find", func(ctx context.Context, o *Store) (ports.Record, error) {
		return o.Journal.Find(ctx, kind, by, value)
	})
}

// GetAll implements ports.Records.
func (s *Storage) GetAll(ctx context.Context, tenant, kind string, ids ...string) ([]ports.Record, error) {
	return callStore(ctx, s, "get_all", func(ctx context.Context, o *Store) ([]ports.Record, error) {
		return o.Journal.GetAll(ctx, tenant, kind, ids...)
	})
}

// List implements ports.Records.
func (s *Storage) List(ctx context.Context, tenant, kind string, f ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	return callStore(ctx, s, "list", func(ctx context.Context, o *Store) (ports.RecordPage, error) {
		return o.Journal.List(ctx, tenant, kind, f, cursor, limit)
	})
}

// Claim implements ports.Queue.
func (s *Storage) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	return callStore(ctx, s, "claim", func(ctx context.Context, o *Store) ([]ports.Claim, error) {
		return o.Journal.Claim(ctx, queue, owner, lease, n, except...)
	})
}

// Publish implements ports.Feed.
func (s *Storage) Publish(ctx context.Context, n int) (int, error) {
	return callStore(ctx, s, "publish", func(ctx context.Context, o *Store) (int, error) { return o.Journal.Publish(ctx, n) })
}

// Feed implements ports.Feed.
func (s *Storage) Feed(ctx context.Context, tenant string, after int64, n int) ([]event.Event, error) {
	return callStore(ctx, s, "feed", func(ctx context.Context, o *Store) ([]event.Event, error) {
		return o.Journal.Feed(ctx, tenant, after, n)
	})
}

// Purge implements ports.Maintenance.
func (s *Storage) Purge(ctx context.Context, tenant, kind string, before time.Time, n int) (int, error) {
	return callStore(ctx, s, "purge", func(ctx context.Context, o *Store) (int, error) {
		return o.Journal.Purge(ctx, tenant, kind, before, n)
	})
}

// Sweep implements ports.Children.
func (s *Storage) Sweep(ctx context.Context, before time.Time, n int) (int, error) {
	return callStore(ctx, s, "sweep", func(ctx context.Context, o *Store) (int, error) { return o.Journal.Sweep(ctx, before, n) })
}

// Count implements ports.Queue.
func (s *Storage) Count(ctx context.Context, limit int, sets ...ports.Set) ([]ports.Count, error) {
	return callStore(ctx, s, "count", func(ctx context.Context, o *Store) ([]ports.Count, error) {
		return o.Journal.Count(ctx, limit, sets...)
	})
}

// Ping implements ports.Maintenance.
func (s *Storage) Ping(ctx context.Context) error {
	return s.do(ctx, "ping", func(ctx context.Context, o *Store) error { return o.Journal.Ping(ctx) })
}
