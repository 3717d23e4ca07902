package app

import (
	"context"
	"errors"
	"io"

	"patchbay/config"
	"patchbay/core/fault"
)

// Backup writes the store as one file, while no gateway runs on it.
func Backup(ctx context.Context, c *config.Config, to io.Writer) error {
	if err := exists(c.Provider[c.Storage.Provider]); err != nil {
		return err
	}
	return look(ctx, c, func(store Storage, _ fallback, _ surroundings) error {
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
