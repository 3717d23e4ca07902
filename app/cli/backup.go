package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/app"
	"patchbay/config"
)

func storageBackup(load loader) *cobra.Command {
	var to string
	var force bool
	cmd := load.command("backup", "Keep a copy of a SQLite store, while the gateway runs or not", func(cmd *cobra.Command, c *config.Config, _ []string) error {
		if tool := c.Provider[c.Storage.Provider].Type.Dump; tool != "" {
			return fmt.Errorf("%q is a database server: keep copies of it with %s", c.Storage.Provider, tool)
		}
		for _, path := range []string{to, to + partialSuffix} {
			if err := app.CheckBackupPath(c, path); err != nil {
				return err
			}
		}
		if err := checkReplaceable(to); err != nil {
			return err
		}
		g, err := gatewayOf(cmd, c)
		if err != nil {
			return err
		}
		size, err := writeBackup(cmd.Context(), to, force, func(f io.Writer) error {
			return g.orOffline(g.client.WriteBackup(cmd.Context(), f), true, func(s *adminapi.Service) error { return s.WriteBackup(cmd.Context(), f) })
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\t%d bytes\n", to, size)
		cmd.PrintErrf("keep installation.json with it, from %s\n", c.DataDir())
		return nil
	})
	cmd.Flags().StringVar(&to, "to", "", "the file to write")
	cmd.Flags().BoolVar(&force, "force", false, "replace an earlier copy in that file")
	_ = cmd.MarkFlagRequired("to") // there is one of this name
	return cmd
}

// checkReplaceable refuses to replace a file that is not a SQLite database, and so cannot be an
// earlier backup. It may be a configuration, a secret or other work.
func checkReplaceable(path string) error {
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	const begins = "SQLite format 3\x00"
	head := make([]byte, len(begins))
	if n, err := io.ReadFull(f, head); n > 0 && string(head[:n]) != begins[:n] || err != nil && n == 0 && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is there already, and is no copy of a store; name another file", path)
	}
	return nil
}

// partialSuffix is the suffix of a file that is not complete yet.
const partialSuffix = ".part"

// writeBackup creates a file that only its owner can read. The file appears under its name only
// when it is complete, synced to disk and checked.
func writeBackup(ctx context.Context, path string, force bool, fill func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return 0, fmt.Errorf("%s is there already; name another file, or give --force", path)
	}
	partial := path + partialSuffix
	if err := os.Remove(partial); err != nil && !errors.Is(err, os.ErrNotExist) { // left by an interrupted run
		return 0, err
	}
	f, err := os.OpenFile(partial, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return 0, err
	}
	defer os.Remove(partial) //nolint:errcheck // it has its own name by then, or is of no use
	if err := errors.Join(fill(f), f.Sync()); err != nil {
		return 0, errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	if err := sqlitestore.Check(ctx, partial); err != nil {
		return 0, fmt.Errorf("what came is not a whole copy: %w", err)
	}
	put := os.Link // unlike a rename, it fails where the file exists
	if force {
		put = os.Rename
	}
	if err := put(partial, path); err != nil {
		return 0, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	return info.Size(), errors.Join(dir.Sync(), dir.Close())
}
