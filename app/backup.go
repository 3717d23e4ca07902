package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"patchbay/adapters/storage/sqlitestore"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/fault"
)

// Spare returns an error if path names a file that a gateway works with, also through a
// link. Such a file must not be overwritten.
func Spare(c *config.Config, path string) error {
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		p := c.Stores[name]
		if s, file := p.Settings.(setting.Placed); file && sqlitestore.Holds(s.Place(), path) {
			return fmt.Errorf("%s is a file of the store %q itself: name another", path, name)
		}
		if secrets.Holds(p.DataDir(), path) {
			return fmt.Errorf("%s is a file of the installation: name another", path)
		}
	}
	if sqlitestore.Holds(c.Storage.Spool, path) {
		return fmt.Errorf("%s is a file of the spool: name another", path)
	}
	return nil
}

// Backup writes the store as one file while no gateway runs on it.
func Backup(ctx context.Context, c *config.Config, to io.Writer) error {
	return look(ctx, c, func(store Storage, _ fallback, _ environment) error {
		if store.Snapshots == nil {
			return fault.New(fault.Unsupported, "no_snapshots", "the store is not a file")
		}
		shot, err := store.Snapshots.Snapshot(ctx)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, shot)
		return errors.Join(err, shot.Close())
	})
}
