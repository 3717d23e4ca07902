package app

import (
	"context"
	"errors"

	"patchbay/adapters/sys"
	"patchbay/config"
	"patchbay/core/depot"
)

// ReopenStorage lets a gateway serve again from a store that was moved to another,
// which is then not served from. Empty is the store in use.
func ReopenStorage(ctx context.Context, c *config.Config, name string, force bool) (moved string, err error) {
	if name == "" {
		name = c.Storage.Provider
	}
	p, err := storeNamed(c, name)
	if err != nil {
		return "", err
	}
	s := surroundings{clock: sys.Clock{}, ids: sys.IDs{}, log: discard.Logger, outages: discard.Outages, looking: true}
	opened := new(closers)
	defer func() { err = errors.Join(err, opened.close(ctx)) }()
	store, err := openExisting(ctx, opened, p, s)
	if err != nil {
		return "", err
	}
	if moved, err = depot.MovedTo(ctx, store.Journal, s.clock); err != nil {
		return "", err
	}
	copied := depot.Side{Name: moved}
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
	return moved, depot.Reopen(ctx, store, copied, s.clock, force)
}
