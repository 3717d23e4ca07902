package app

import (
	"context"
	"errors"

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
	stores := newStoreOpener(c)
	defer func() { err = errors.Join(err, stores.close()) }()
	store, err := stores.openExisting(ctx, p)
	if err != nil {
		return "", err
	}
	if moved, err = storecopy.MovedTo(ctx, store.Journal, stores.clock); err != nil {
		return "", err
	}
	copied := storecopy.Side{Name: moved}
	if to, there := c.Stores[moved]; there {
		side, err := stores.open(ctx, to, existing)
		if err != nil && !noStore(err) && !force {
			return moved, err
		}
		if err == nil {
			copied = side
		}
	}
	return moved, storecopy.Reopen(ctx, store, copied, stores.clock, force)
}
