package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"patchbay/adapters/storage/sqlitestore"
	"patchbay/app"
	"patchbay/config"
)

func storageBackup(load loader) *cobra.Command {
	var to string
	var force bool
	cmd := &cobra.Command{
		Use: "backup", Short: "Keep a copy of a SQLite store, while the gateway runs or not", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(cmd)
			if err != nil {
				return err
			}
			if tool := c.Provider[c.Storage.Provider].Type.Dump; tool != "" {
				return fmt.Errorf("%q is a database server: keep copies of it with %s", c.Storage.Provider, tool)
			}
			for _, path := range []string{to, to + part} {
				if err := app.Spare(c, path); err != nil {
					return err
				}
			}
			size, err := keep(cmd.Context(), to, force, func(f io.Writer) error { return backUp(cmd, c, f) })
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\t%d bytes\n", to, size)
			cmd.PrintErrf("keep installation.json with it, from %s\n", c.DataDir())
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the file")
	cmd.Flags().BoolVar(&force, "force", false, "take the place of a file that is there")
	_ = cmd.MarkFlagRequired("to") // there is one of this name
	return cmd
}

// backUp writes the store, which a running gateway has, or nobody.
func backUp(cmd *cobra.Command, c *config.Config, to io.Writer) error {
	err := fetch(cmd.Context(), "http://"+c.Server.AdminAddress+"/admin/storage/backup", to)
	if errors.Is(err, syscall.ECONNREFUSED) {
		cmd.PrintErrln("no gateway is running; the store is read by this command")
		return app.Backup(cmd.Context(), c, to)
	}
	return err
}

// fetch gets what may be large and take long. What ends before its length is an
// error.
func fetch(ctx context.Context, address string, to io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		return refusal(resp, address)
	}
	if resp.ContentLength < 0 {
		return fmt.Errorf("what listens at %s is not the gateway", address)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

// part ends the name of a file that is not whole yet.
const part = ".part"

// keep makes a file that only its owner can read, and that is there when it is whole,
// on the disk and found to be sound.
func keep(ctx context.Context, path string, force bool, fill func(io.Writer) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return 0, fmt.Errorf("%s is there already; name another file, or give --force", path)
	}
	partly := path + part
	if err := os.Remove(partly); err != nil && !errors.Is(err, os.ErrNotExist) { // one that was cut off
		return 0, err
	}
	f, err := os.OpenFile(partly, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return 0, err
	}
	defer os.Remove(partly) //nolint:errcheck // it has its own name by then, or is of no use
	if err := errors.Join(fill(f), f.Sync()); err != nil {
		return 0, errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	if err := sqlitestore.Check(ctx, partly); err != nil {
		return 0, fmt.Errorf("what came is not a whole copy: %w", err)
	}
	put := os.Link // unlike a rename, it fails where the file exists
	if force {
		put = os.Rename
	}
	if err := put(partly, path); err != nil {
		return 0, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	return info.Size(), errors.Join(dir.Sync(), dir.Close())
}
