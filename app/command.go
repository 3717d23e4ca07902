package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"patchbay/adapters/console"
	"patchbay/app/installation"
	"patchbay/config"
	"patchbay/core/fault"
	"patchbay/core/logging"
)

var discard = logging.Discard()

// work is done while no gateway runs.
type work func(Storage, fallback, surroundings) error

// alone opens the store and what stands in for it for one piece of work, while no
// gateway runs on it. It makes neither a store nor the secrets of an installation: who
// asks a store that was just made is told that nothing is in it.
func alone(ctx context.Context, c *config.Config, do work) error {
	return command(ctx, c, false, do)
}

// look is alone for work that changes nothing: the store is not in use by it.
func look(ctx context.Context, c *config.Config, do work) error {
	return command(ctx, c, true, do)
}

func command(ctx context.Context, c *config.Config, looking bool, do work) error {
	secrets, err := Secrets(c)
	if err != nil {
		return err
	}
	s := surround(c, discard, secrets)
	s.existing, s.looking = true, looking
	l := new(closers)
	store, f, err := openStorage(l, c, s)
	if err == nil {
		err = do(store, f, s)
	} else if noStore(err) {
		err = missing(c.Provider[c.Storage.Provider])
	}
	return errors.Join(err, l.close(ctx))
}

// errNotMade is of what the next start of the gateway makes.
var errNotMade = fault.New(fault.NotFound, "no_store", "there is no store")

func noStore(err error) bool {
	return err != nil && fault.From(err).Code == errNotMade.Code
}

// missing says that a store is not there, and what makes it.
func missing(p config.Provider) error {
	return fmt.Errorf("there is no store: %s is not there; `patchbay serve` makes it, or `patchbay storage create`", StoreName(p))
}

// Secrets reads the secrets of the installation, and makes none.
func Secrets(c *config.Config) (installation.Secrets, error) {
	secrets, err := installation.Read(c.DataDir())
	if !errors.Is(err, fs.ErrNotExist) {
		return secrets, err
	}
	p := c.Provider[c.Storage.Provider]
	if s, file := p.Settings.(*config.SQLite); file {
		if _, err := os.Stat(s.Path); errors.Is(err, fs.ErrNotExist) {
			return secrets, missing(p)
		}
	}
	return secrets, fmt.Errorf("the secrets of the installation are not there: no installation.json in %s, for %s; put that of its gateway there, or, "+
		"where there was none yet, let `patchbay serve` or `patchbay storage create` make it", absolute(c.DataDir()), StoreName(p))
}

// StoreName says which store a provider is: "sqlite /srv/data/patchbay.db", without links,
// or "postgres db:5432/patchbay".
func StoreName(p config.Provider) string {
	switch s := p.Settings.(type) {
	case *config.SQLite:
		path := absolute(s.Path)
		if own, err := filepath.EvalSymlinks(path); err == nil {
			path = own
		}
		return p.Type.Name + " " + path
	case *config.Database:
		return p.Type.Name + " " + net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) + "/" + s.Database
	}
	return p.Type.Name
}

// StorePlace says which store is configured and, of a file, whether it is there. It asks no
// server.
func StorePlace(c *config.Config) string {
	p := c.Provider[c.Storage.Provider]
	if s, file := p.Settings.(*config.SQLite); file {
		if _, err := os.Stat(s.Path); errors.Is(err, fs.ErrNotExist) {
			return StoreName(p) + ", which is not made yet"
		}
	}
	return StoreName(p)
}

// Identity is by what the admin listener and the commands of an installation know each
// other.
func Identity(c *config.Config, secrets installation.Secrets) console.Identity {
	return console.Identity{
		Token: secrets.Token("admin listener"), Key: secrets.For("proof of the admin listener"),
		Store: StoreName(c.Provider[c.Storage.Provider]),
	}
}

// StorageStatus describes the store, and what is held for it, while no gateway
// runs.
func StorageStatus(ctx context.Context, c *config.Config) (console.Storage, error) {
	var view console.Storage
	err := look(ctx, c, func(store Storage, f fallback, _ surroundings) error {
		view = f.status(ctx, c, store)
		return nil
	})
	return view, err
}

// CreateStorage makes the store of a configuration, empty, and the secrets of the
// installation where there are none.
func CreateStorage(ctx context.Context, c *config.Config) (err error) {
	p := c.Provider[c.Storage.Provider]
	s := surround(c, discard, installation.Secrets{})
	s.looking = true // it is not in use: another may be copied into it
	opened := new(closers)
	defer func() { err = errors.Join(err, opened.close(ctx)) }()
	s.existing = true
	switch _, err := openSide(ctx, opened, p, s); {
	case err == nil, fault.From(err).Code == "store_locked":
		return fmt.Errorf("there is a store already: %s", StoreName(p))
	case !noStore(err):
		return err
	}
	if _, err := installation.Open(c.DataDir()); err != nil {
		return err
	}
	s.existing = false
	_, err = openSide(ctx, opened, p, s)
	return err
}
