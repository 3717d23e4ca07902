package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/core/payments"
	"patchbay/core/storecopy"
	"patchbay/ports"
)

// restored detects that an older copy of the store was restored: the copy reports it
// itself, or its feed is behind the position recorded in the installation's directory.
type restored struct {
	store    string   // name of the provider in use
	payments []string // names of the payment providers in use
	dir      string   // directory of the installation
	last     atomic.Pointer[storecopy.Restore]
	log      *slog.Logger

	mu sync.Mutex       // guards the detection: the store may be opened late, while run is checking it
	at *storecopy.Point // last known position of the feed; nil if only the directory has one
}

func newRestored(c *config.Config, log *slog.Logger) *restored {
	return &restored{store: c.Storage.Provider, payments: c.Payments.Providers, dir: c.DataDir(), log: log}
}

// since returns when the store was last restored, or zero if it never was.
func (r *restored) since() time.Time {
	if last := r.last.Load(); last != nil {
		return last.At
	}
	return time.Time{}
}

// known returns since, and whether the store has been read yet.
func (r *restored) known() (at time.Time, known bool) { return r.since(), r.last.Load() != nil }

// restore returns what is known about the last restore of the store.
func (r *restored) restore() payments.Restore {
	last := r.last.Load()
	if last == nil {
		return payments.Restore{}
	}
	return payments.Restore{At: last.At, Since: last.Since, Recalled: !last.Unrecalled, Providers: last.Providers, Lost: last.Lost}
}

// recalled records in the store that the payments known to the providers have been read
// back into it after the restore at the given time.
func (r *restored) recalled(ctx context.Context, journal ports.Journal, clock ports.Clock, at time.Time) error {
	if err := storecopy.Recalled(ctx, journal, clock, at); err != nil {
		return err
	}
	if last := r.last.Load(); last != nil && last.At.Equal(at) {
		r.last.Store(&storecopy.Restore{At: last.At, Since: last.Since, Lost: last.Lost})
	}
	return nil
}

// use marks a store as in use, either the store of this gateway or a standby.
func (r *restored) use(ctx context.Context, name string, store Storage, clock ports.Clock) error {
	if name != r.store {
		_, err := storecopy.Use(ctx, store.Journal, clock, false)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	older, err := r.older(ctx, store)
	if err != nil {
		return err
	}
	last, err := storecopy.Use(ctx, store.Journal, clock, older, r.payments...)
	if err != nil {
		return err
	}
	r.last.Store(&last)
	if !older {
		return nil
	}
	r.warn(ctx)
	if store.Aged != nil {
		err = store.Aged.Known(ctx)
	}
	if err == nil {
		err = r.startOver(ctx, store.Journal)
	}
	return err
}

func (r *restored) warn(ctx context.Context) {
	r.log.WarnContext(ctx, "store is an older copy: what came after it was made is not known; mail that must not go out twice, and waited in it, is not sent",
		"provider", r.store)
}

// detect finds out whether an older copy was restored while the gateway runs: the feed is behind
// its last known position, or another gateway has detected the restore and recorded it in
// the store's mark.
func (r *restored) detect(ctx context.Context, journal ports.Journal, clock ports.Clock) error {
	last, err := storecopy.Use(ctx, journal, clock, false)
	if err == nil && !last.At.After(r.since()) { // no other gateway has recorded it
		var older bool
		if older, err = r.point().Behind(ctx, journal); err != nil || !older {
			return err
		}
		last, err = storecopy.Use(ctx, journal, clock, true, r.payments...)
	}
	if err != nil {
		return err
	}
	r.last.Store(&last)
	r.warn(ctx)
	return r.startOver(ctx, journal)
}

func (r *restored) older(ctx context.Context, store Storage) (bool, error) {
	if store.Aged != nil {
		if older, err := store.Aged.Older(ctx); older || err != nil {
			return older, err
		}
	}
	return r.point().Behind(ctx, store.Journal)
}

// point returns the last known position of the feed.
func (r *restored) point() storecopy.Point {
	if r.at == nil {
		return secrets.Seen(r.dir, r.store)
	}
	return *r.at
}

// startOver records the feed position of an older copy, which may be at the start.
func (r *restored) startOver(ctx context.Context, journal ports.Journal) error {
	r.at = &storecopy.Point{}
	return r.record(ctx, journal)
}

// record writes the position of the feed in the installation's directory.
func (r *restored) record(ctx context.Context, journal ports.Journal) error {
	now, err := r.point().Latest(ctx, journal)
	if err != nil {
		return err
	}
	if r.at = &now; now == secrets.Seen(r.dir, r.store) {
		return nil
	}
	if err := secrets.RecordSeen(r.dir, r.store, now); err != nil {
		return fmt.Errorf("how far the feed has come is not kept: %w", err)
	}
	return nil
}

// recordInterval is how often the position of the feed is recorded. Each time costs the disk as
// much as a commit.
const recordInterval = 10 * time.Second

// run records the position of the feed until ctx ends, and once more then. It calls noticed
// when an older copy of the store is found to have been restored.
func (r *restored) run(ctx context.Context, journal ports.Journal, clock ports.Clock, noticed func()) {
	ticker := time.NewTicker(recordInterval)
	defer ticker.Stop()
	for reported := (time.Time{}); ; {
		err := r.check(context.WithoutCancel(ctx), journal, clock)
		if since := r.since(); !since.Equal(reported) { // detected here, or when the store was opened late
			reported = since
			noticed()
		}
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "it is not kept how far the store has come: an older copy of it would not be told from it", "error", err)
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (r *restored) check(ctx context.Context, journal ports.Journal, clock ports.Clock) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.detect(ctx, journal, clock); err != nil {
		return err
	}
	return r.record(ctx, journal)
}
