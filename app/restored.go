package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"patchbay/app/installation"
	"patchbay/config"
	"patchbay/core/checkout"
	"patchbay/core/depot"
	"patchbay/ports"
)

// aged is a store that can tell whether it is an older copy of itself, which somebody
// has put in its place.
type aged interface {
	// Older reports whether it is one, and Known has not been called.
	Older(ctx context.Context) (bool, error)
	// Known takes note that it is known for one.
	Known(ctx context.Context) error
}

// restored is how a gateway finds out that an older copy of its store was put back: the
// copy says so itself, or its feed is behind of what this directory has seen of it.
type restored struct {
	store string   // the provider in use
	pays  []string // the payment providers that are
	dir   string   // of the installation
	last  atomic.Pointer[depot.Restore]
	log   *slog.Logger

	mu sync.Mutex   // held by who finds out: the store may be opened late, while run looks at it
	at *depot.Point // how far the feed has been, nil where only the directory knows
}

func newRestored(c *config.Config, log *slog.Logger) *restored {
	return &restored{store: c.Storage.Provider, pays: c.Payments.Providers, dir: c.DataDir(), log: log}
}

// since is when the store was last put back, zero where it never was.
func (r *restored) since() time.Time {
	if last := r.last.Load(); last != nil {
		return last.At
	}
	return time.Time{}
}

// known is since, and whether the store was there to tell.
func (r *restored) known() (at time.Time, known bool) { return r.since(), r.last.Load() != nil }

// restore is what is known of the last time that the store was put back.
func (r *restored) restore() checkout.Restore {
	last := r.last.Load()
	if last == nil {
		return checkout.Restore{}
	}
	return checkout.Restore{At: last.At, Since: last.Since, Recalled: !last.Unrecalled, Providers: last.Providers, Lost: last.Lost}
}

// recalled keeps with the store that what the providers hold of payments is in it again,
// since it was put back at a time.
func (r *restored) recalled(ctx context.Context, journal ports.Journal, clock ports.Clock, at time.Time) error {
	if err := depot.Recalled(ctx, journal, clock, at); err != nil {
		return err
	}
	if last := r.last.Load(); last != nil && last.At.Equal(at) {
		r.last.Store(&depot.Restore{At: last.At, Since: last.Since, Lost: last.Lost})
	}
	return nil
}

// use marks a store as in use, the one of this gateway or a standby.
func (r *restored) use(ctx context.Context, name string, store Storage, clock ports.Clock) error {
	if name != r.store {
		_, err := depot.Use(ctx, store.Journal, clock, false)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	older, err := r.older(ctx, store)
	if err != nil {
		return err
	}
	last, err := depot.Use(ctx, store.Journal, clock, older, r.pays...)
	if err != nil {
		return err
	}
	r.last.Store(&last)
	if !older {
		return nil
	}
	r.warn(ctx)
	if store.aged != nil {
		err = store.aged.Known(ctx)
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

// notice finds out that an older copy was put back while the gateway runs: by how far its feed
// was, or since another gateway has found it out and said so in the store's mark.
func (r *restored) notice(ctx context.Context, journal ports.Journal, clock ports.Clock) error {
	last, err := depot.Use(ctx, journal, clock, false)
	if err == nil && !last.At.After(r.since()) { // nobody else has said so
		var older bool
		if older, err = r.point().Behind(ctx, journal); err != nil || !older {
			return err
		}
		last, err = depot.Use(ctx, journal, clock, true, r.pays...)
	}
	if err != nil {
		return err
	}
	r.last.Store(&last)
	r.warn(ctx)
	return r.startOver(ctx, journal)
}

func (r *restored) older(ctx context.Context, store Storage) (bool, error) {
	if store.aged != nil {
		if older, err := store.aged.Older(ctx); older || err != nil {
			return older, err
		}
	}
	return r.point().Behind(ctx, store.Journal)
}

// point is how far the feed has been.
func (r *restored) point() depot.Point {
	if r.at == nil {
		return installation.Seen(r.dir, r.store)
	}
	return *r.at
}

// startOver keeps how far the feed of an older copy has come, which may be nowhere.
func (r *restored) startOver(ctx context.Context, journal ports.Journal) error {
	r.at = &depot.Point{}
	return r.follow(ctx, journal)
}

// follow keeps beside the store how far its feed has come.
func (r *restored) follow(ctx context.Context, journal ports.Journal) error {
	now, err := r.point().Latest(ctx, journal)
	if err != nil {
		return err
	}
	if r.at = &now; now == installation.Seen(r.dir, r.store) {
		return nil
	}
	if err := installation.See(r.dir, r.store, now); err != nil {
		return fmt.Errorf("how far the feed has come is not kept: %w", err)
	}
	return nil
}

// following is how often it is kept how far the feed has come. Each time costs the disk as
// much as a commit.
const following = 10 * time.Second

// run follows the feed until ctx ends, and once more then. noticed is called when it is known
// that an older copy of the store was put back.
func (r *restored) run(ctx context.Context, journal ports.Journal, clock ports.Clock, noticed func()) {
	ticker := time.NewTicker(following)
	defer ticker.Stop()
	for told := (time.Time{}); ; {
		err := r.look(context.WithoutCancel(ctx), journal, clock)
		if since := r.since(); !since.Equal(told) { // found out here, or where the store was opened late
			told = since
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

func (r *restored) look(ctx context.Context, journal ports.Journal, clock ports.Clock) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.notice(ctx, journal, clock); err != nil {
		return err
	}
	return r.follow(ctx, journal)
}
