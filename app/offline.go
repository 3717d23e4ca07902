package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/dig"
	"go.uber.org/fx"

	"patchbay/adapters/adminapi"
	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/ports"
)

var discard = logging.Discard()

// Offline opens the store and its fallback for one piece of work while no gateway runs on the
// store. It creates neither a store nor the secrets of an installation: otherwise a command
// would report that a store is empty although it had just been created. If the work is
// readOnly, the store is not marked as in use. No provider is called.
func Offline(c *config.Config, readOnly bool, work func(*adminapi.Service) error) error {
	opened := new(closers)
	var service adminapi.Service
	err := fx.New(
		services, unlogged, fx.Supply(c, opened, []ports.PaymentGateway(nil), []ports.Mailer(nil)),
		fx.Provide(func() (environment, error) {
			installation, err := Secrets(c)
			s := environmentOf(c, discard, installation)
			s.existing, s.readOnly = true, readOnly
			return s, err
		}),
		fx.Populate(&service),
	).Err()
	switch {
	case err == nil:
		err = work(&service)
	case noStore(dig.RootCause(err)):
		err = missing(c.Provider[c.Storage.Provider])
	default:
		err = dig.RootCause(err)
	}
	return errors.Join(err, opened.close())
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
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
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
		Token: hex.EncodeToString(secrets.For("admin listener")), Key: secrets.For("proof of the admin listener"),
		Store: StoreName(c.Provider[c.Storage.Provider]),
	}
}

// CreateStorage creates the empty store of a configuration, and the secrets of the
// installation if there are none.
func CreateStorage(ctx context.Context, c *config.Config) (err error) {
	p := c.Provider[c.Storage.Provider]
	stores := newStoreOpener(c)
	defer func() { err = errors.Join(err, stores.close()) }()
	switch _, err := stores.open(ctx, p, existing); {
	case err == nil, fault.From(err).Code == "store_locked":
		return fmt.Errorf("there is a store already: %s", StoreName(p))
	case !noStore(err):
		return err
	}
	if _, err := secrets.Open(c.DataDir()); err != nil {
		return err
	}
	_, err = stores.open(ctx, p, created)
	return err
}
