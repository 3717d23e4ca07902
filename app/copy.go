package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"patchbay/app/secrets"
	"patchbay/config"
	"patchbay/core/fault"
	"patchbay/core/storecopy"
)

// Copied is the result of CopyStorage.
type Copied struct {
	Report         storecopy.Report // nil if the copy did not get as far as a report
	SecretsDir     string           // where a gateway on the target looks for installation.json
	SecretsCopied  bool             // installation.json was copied there
	SecretsMissing bool             // installation.json is missing there
}

// CopyStorage copies everything in one store into another, and the installation's secrets
// to the directory where a gateway on the target looks for them. Neither store needs to be
// in use.
func CopyStorage(ctx context.Context, c *config.Config, from, to string, progress func(storecopy.Progress)) (done Copied, err error) {
	source, err := storeNamed(c, from)
	if err != nil {
		return done, err
	}
	target, err := storeNamed(c, to)
	if err != nil {
		return done, err
	}
	if from == to {
		return done, fmt.Errorf("%q is copied into itself", from)
	}
	done.SecretsDir = target.DataDir()
	needed, err := secrets.Compare(source.DataDir(), target.DataDir())
	if err != nil {
		return done, err
	}
	stores := newStoreOpener(c)
	defer func() { err = errors.Join(err, stores.close()) }()
	options := storecopy.Options{Clock: stores.clock, Progress: progress, Ready: func() error {
		if !needed {
			return nil
		}
		done.SecretsCopied = true
		return secrets.Copy(source.DataDir(), target.DataDir())
	}}
	if options.From, err = stores.openExisting(ctx, source); err != nil {
		return done, err
	}
	if options.To, err = stores.open(ctx, target, created); err != nil {
		return done, err
	}
	done.Report, err = storecopy.Copy(ctx, options)
	done.SecretsMissing = !secrets.Exist(target.DataDir())
	return done, err
}

func storeNamed(c *config.Config, name string) (config.Provider, error) {
	p, there := c.Stores[name]
	if !there {
		return p, fmt.Errorf("there is no store %q; there is %s", name, strings.Join(slices.Sorted(maps.Keys(c.Stores)), ", "))
	}
	return p, nil
}

// storeOpener opens stores that are not served from, without a resilience policy and without
// marking them as in use: another store may be copied into them.
type storeOpener struct {
	closers
	environment
}

func newStoreOpener(c *config.Config) *storeOpener {
	s := environmentOf(c, discard, secrets.Secrets{})
	s.readOnly = true
	return &storeOpener{environment: s}
}

// Whether a store must exist, or is created.
const (
	existing = true
	created  = false
)

// openExisting opens a store that is read.
func (s *storeOpener) openExisting(ctx context.Context, p config.Provider) (storecopy.Side, error) {
	side, err := s.open(ctx, p, existing)
	if noStore(err) {
		err = missing(p)
	}
	return side, err
}

func (s *storeOpener) open(ctx context.Context, p config.Provider, exists bool) (storecopy.Side, error) {
	s.existing = exists
	store, err := openStore(ctx, p, s.environment)
	if fault.Is(err, fault.Unavailable) && fault.From(err).Code == "store_locked" {
		return storecopy.Side{}, fmt.Errorf("%w; stop the gateway that runs on it first", err)
	}
	if err != nil {
		return storecopy.Side{}, err
	}
	s.add(store.Close)
	older, err := (&restored{store: p.Name, dir: p.DataDir()}).older(ctx, store)
	return storecopy.Side{Name: p.Name, Journal: store.Journal, Archive: store.Archive, Older: older}, err
}
