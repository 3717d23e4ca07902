package app

import (
	"context"
	"errors"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/config"
	"patchbay/core/storecopy"
)

// ReopenStorage allows a gateway to serve again from a store that was copied to another
// one; the other store is then not served from. An empty name means the store in use.
func ReopenStorage(ctx context.Context, c *config.Config, name string, force bool) (moved string, err error) {
	if name == "" {
		name = c.Storage.Provider
	}
	p, err := storeNamed(c, name)
	if err != nil {
		return "", err
	}
	s := environment{clock: clock.System{}, ids: ids.UUIDs{}, log: discard.Logger, outages: discard.Outages, readOnly: true}
	opened := new(closers)
	defer func() { err = errors.Join(err, opened.close(ctx)) }()
	store, err := openExisting(ctx, opened, p, s)
	if err != nil {
		return "", err
	}
	if moved, err = storecopy.MovedTo(ctx, store.Journal, s.clock); err != nil {
		return "", err
	}
	copied := storecopy.Side{Name: moved}
	if to, there := c.Stores[moved]; there {
		s.existing = true
		side, err := openSide(ctx, opened, to, s)
		if err != nil && !noStore(err) && !force {
			return moved, err
		}
		if err == nil {
			copied = side
		}
	}
	return moved, storecopy.Reopen(ctx, store, copied, s.clock, force)
}
