package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"patchbay/adapters/adminapi"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/core/logging"
)

var discard = logging.Discard()

// work is a piece of work that runs while no gateway runs.
type work func(Storage, fallback, environment) error

// alone opens the store and its fallback for one piece of work while no gateway runs on the
// store. It creates neither a store nor the secrets of an installation: otherwise a command
// would report that a store is empty although it had just been created.
func alone(ctx context.Context, c *config.Config, do work) error {
	return command(ctx, c, false, do)
}

// look is like alone, for work that changes nothing. It does not mark the store as in use.
func look(ctx context.Context, c *config.Config, do work) error {
	return command(ctx, c, true, do)
}

func command(ctx context.Context, c *config.Config, looking bool, do work) error {
	secrets, err := Secrets(c)
	if err != nil {
		return err
	}
	s := environmentOf(c, discard, secrets)
	s.existing, s.readOnly = true, looking
	l := new(closers)
	store, f, err := openStorage(l, c, s)
	if err == nil {
		err = do(store, f, s)
	} else if noStore(err) {
		err = missing(c.Provider[c.Storage.Provider])
	}
	return errors.Join(err, l.close(ctx))
}

// errNotMade reports a store that does not exist yet; the next start of the gateway creates
// it.
var errNotMade = fault.New(fault.NotFound, "no_store", "there is no store")

func noStore(err error) bool {
	return err != nil && fault.From(err).Code == errNotMade.Code
}

// missing reports that a store does not exist, and which commands create it.
func missing(p config.Provider) error {
	return fmt.Errorf("there is no store: %s is not there; `patchbay serve` makes it, or `patchbay storage create`", StoreName(p))
}

// Secrets reads the secrets of the installation. It does not create them.
func Secrets(c *config.Config) (secrets.Secrets, error) {
	secrets, err := secrets.Read(c.DataDir())
	if !errors.Is(err, fs.ErrNotExist) {
		return secrets, err
	}
	p := c.Provider[c.Storage.Provider]
	if s, file := p.Settings.(setting.Placed); file {
		if _, err := os.Stat(s.Place()); errors.Is(err, fs.ErrNotExist) {
			return secrets, missing(p)
		}
	}
	return secrets, fmt.Errorf("the secrets of the installation are not there: no installation.json in %s, for %s; put that of its gateway there, or, "+
		"where there was none yet, let `patchbay serve` or `patchbay storage create` make it", absolute(c.DataDir()), StoreName(p))
}

// StoreName identifies the store of a provider: "sqlite /srv/data/patchbay.db" with
// symbolic links resolved, or "postgres db:5432/patchbay".
func StoreName(p config.Provider) string {
	switch s := p.Settings.(type) {
	case setting.Placed:
		path := absolute(s.Place())
		if own, err := filepath.EvalSymlinks(path); err == nil {
			path = own
		}
		return p.Type.Name + " " + path
	case setting.Addressed:
		return p.Type.Name + " " + s.Address()
	}
	return p.Type.Name
}

// StorePlace names the configured store and, if it is a file, reports whether the file
// exists. It contacts no server.
func StorePlace(c *config.Config) string {
	p := c.Provider[c.Storage.Provider]
	if s, file := p.Settings.(setting.Placed); file {
		if _, err := os.Stat(s.Place()); errors.Is(err, fs.ErrNotExist) {
			return StoreName(p) + ", which is not made yet"
		}
	}
	return StoreName(p)
}

// Identity returns the identity by which the admin listener and the commands of an
// installation recognise each other.
func Identity(c *config.Config, secrets secrets.Secrets) adminapi.Identity {
	return adminapi.Identity{
		Token: secrets.Token("admin listener"), Key: secrets.For("proof of the admin listener"),
		Store: StoreName(c.Provider[c.Storage.Provider]),
	}
}

// StorageStatus describes the store, and the data held for it, while no gateway runs.
func StorageStatus(ctx context.Context, c *config.Config) (adminapi.Storage, error) {
	var view adminapi.Storage
	err := look(ctx, c, func(store Storage, f fallback, _ environment) error {
		view = f.status(ctx, c, store)
		return nil
	})
	return view, err
}

// CreateStorage creates the empty store of a configuration, and the secrets of the
// installation if there are none.
func CreateStorage(ctx context.Context, c *config.Config) (err error) {
	p := c.Provider[c.Storage.Provider]
	s := environmentOf(c, discard, secrets.Secrets{})
	s.readOnly = true // the store is not marked as in use: another store may be copied into it
	opened := new(closers)
	defer func() { err = errors.Join(err, opened.close(ctx)) }()
	s.existing = true
	switch _, err := openSide(ctx, opened, p, s); {
	case err == nil, fault.From(err).Code == "store_locked":
		return fmt.Errorf("there is a store already: %s", StoreName(p))
	case !noStore(err):
		return err
	}
	if _, err := secrets.Open(c.DataDir()); err != nil {
		return err
	}
	s.existing = false
	_, err = openSide(ctx, opened, p, s)
	return err
}
