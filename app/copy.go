package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/fx"

	"patchbay/adapters/sys"
	"patchbay/app/installation"
	"patchbay/config"
	"patchbay/core/depot"
	"patchbay/core/fault"
)

// Copied is what CopyStorage has to say.
type Copied struct {
	Report  depot.Report // nil where it did not come to that
	Secrets string       // where a gateway on the target looks for installation.json
	Brought bool         // it was copied there
	Missing bool         // it is not there
}

// CopyStorage moves all that one store holds into another, of which neither need be
// in use, and the installation's secrets to where a gateway on the other looks for
// them.
func CopyStorage(ctx context.Context, c *config.Config, from, to string, progress func(depot.Progress)) (done Copied, err error) {
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
	done.Secrets = target.DataDir()
	needed, err := installation.Compare(source.DataDir(), target.DataDir())
	if err != nil {
		return done, err
	}
	s := surroundings{clock: sys.Clock{}, ids: sys.IDs{}, log: discard.Logger, outages: discard.Outages, looking: true}
	opened := new(closers)
	defer func() { err = errors.Join(err, opened.close(ctx)) }()
	options := depot.Options{Clock: s.clock, Progress: progress, Ready: func() error {
		if !needed {
			return nil
		}
		done.Brought = true
		return installation.Bring(source.DataDir(), target.DataDir())
	}}
	if options.From, err = openExisting(ctx, opened, source, s); err != nil {
		return done, err
	}
	if options.To, err = openSide(ctx, opened, target, s); err != nil {
		return done, err
	}
	done.Report, err = depot.Copy(ctx, options)
	done.Missing = !installation.In(target.DataDir())
	return done, err
}

func storeNamed(c *config.Config, name string) (config.Provider, error) {
	p, there := c.Stores[name]
	if !there {
		return p, fmt.Errorf("there is no store %q; there is %s", name, strings.Join(slices.Sorted(maps.Keys(c.Stores)), ", "))
	}
	return p, nil
}

// openExisting is openSide for a store that is to be read: none is made.
func openExisting(ctx context.Context, opened *closers, p config.Provider, s surroundings) (depot.Side, error) {
	s.existing = true
	side, err := openSide(ctx, opened, p, s)
	if noStore(err) {
		err = missing(p)
	}
	return side, err
}

// openSide opens a store as it is, without a policy: what fails ends the work, which
// goes on when it is done again.
func openSide(ctx context.Context, opened *closers, p config.Provider, s surroundings) (depot.Side, error) {
	e, err := find(p)
	if err != nil {
		return depot.Side{}, err
	}
	store, err := openStore(ctx, e, p, s)
	if fault.Is(err, fault.Unavailable) && fault.From(err).Code == "store_locked" {
		return depot.Side{}, fmt.Errorf("%w; stop the gateway that runs on it first", err)
	}
	if err != nil {
		return depot.Side{}, err
	}
	opened.Append(fx.StopHook(store.Close))
	older, err := (&restored{store: p.Name, dir: p.DataDir()}).older(ctx, store)
	return depot.Side{Name: p.Name, Journal: store.Journal, Archive: store.Archive, Older: older}, err
}
