package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"go.uber.org/fx"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/resilience"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/spool"
	"patchbay/core/users"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

// fallback holds what is used when the store is not available. Each field may be nil.
type fallback struct {
	bounded *resilience.Storage // the store, if it is a server
	mirror  *resilience.Storage // the standby's store, if it is a server
	standby *users.Standby
	spool   *spool.Spool
	local   ports.Journal // the spool's journal on this machine
}

// openStorage opens the store and its fallback. They are closed when the gateway stops, or by
// opened if no gateway is started. The store may be unavailable if a spool from an earlier
// process exists.
func openStorage(gateway fx.Lifecycle, opened *closers, c *config.Config, s environment) (Storage, fallback, error) {
	gateway.Append(fx.StopHook(opened.close))
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var f fallback
	store, err := f.open(ctx, opened, c, s)
	if err == nil && c.Storage.Standby != "" {
		err = f.openStandby(ctx, opened, c, store, s)
	}
	f.show(s)
	return store, f, err
}

func (f *fallback) open(ctx context.Context, l fx.Lifecycle, c *config.Config, s environment) (Storage, error) {
	p, path := c.Provider[c.Storage.Provider], c.Spool()
	_, serr := os.Stat(path)
	store, bounded, err := openBounded(ctx, l, p, s, roleStore(c))
	kept := fault.Is(err, fault.Unavailable) && bounded != nil && path != "" && serr == nil
	if err != nil && !kept {
		return Storage{}, err
	}
	f.bounded = bounded
	if path == "" {
		return store, nil
	}
	held, err := sqlitestore.Open(ctx, sqlitestore.Options{Path: path, Existing: s.existing, Clock: s.clock, IDs: s.ids})
	if noStore(err) {
		return store, nil // nothing was ever spooled
	}
	if err != nil {
		return Storage{}, fmt.Errorf("storage.spool: %w", err)
	}
	l.Append(fx.StopHook(held.Close))
	f.local = observed("spool", resilience.Store{Journal: held}, s, spoolFile)
	f.spool, err = openSpool(ctx, store.Journal, f.local, s)
	store.Journal = f.spool
	return store, err
}

func openSpool(ctx context.Context, store, local ports.Journal, s environment) (*spool.Spool, error) {
	names := s.messageNames()
	return spool.Open(ctx, spool.Options{
		Store: store, Local: local, Clock: s.clock, Owner: s.owner, Log: s.log,
		Kinds: map[string]spool.Kind{
			emails.Kind: {Same: emails.SameRequest, Anew: names.NewID, Others: names.OtherIDs, Personal: emails.Personal},
			webhooks.Kind: {
				Same:     func(ports.Record, ports.Record) bool { return true }, // the id is that of the event
				Personal: webhooks.Personal,
			},
		},
	})
}

// openBounded opens a store, wrapped in its policy if it is a server. A store that is not
// available is returned together with the error: it may be opened later.
func openBounded(ctx context.Context, l fx.Lifecycle, p config.Provider, s environment, as role) (Storage, *resilience.Storage, error) {
	if !p.Type.Server {
		store, err := openStore(ctx, p, s)
		if err != nil {
			return Storage{}, nil, err
		}
		l.Append(fx.StopHook(store.Close))
		told := observed(p.Name, resilience.Store{Journal: store.Journal, Users: store.Users}, s, as)
		store.Journal, store.Users = told, told.Users()
		return store, nil, nil
	}
	bounded := resilience.NewStorage(p.Name, func(ctx context.Context) (resilience.Store, error) {
		store, err := openStore(ctx, p, s)
		if err != nil {
			return resilience.Store{}, err
		}
		return resilience.Store{Journal: store.Journal, Users: store.Users, Close: store.Close}, nil
	}, within(p, s, as))
	l.Append(fx.StopHook(bounded.Close))
	return Storage{Journal: bounded, Users: bounded.Users(), Closer: bounded}, bounded, bounded.Open(ctx)
}

// observed makes the log report failures of a store on this machine.
func observed(name string, store resilience.Store, s environment, as role) *resilience.Storage {
	return resilience.Observe(name, store, newObserver(name, as, s).observe)
}

// openStore opens a store and marks it as in use, so that nothing is copied into it from
// then on. It refuses a store that is an unfinished copy.
func openStore(ctx context.Context, p config.Provider, s environment) (Storage, error) {
	store, err := s.newStore(ctx, p)
	if err != nil {
		return Storage{}, fmt.Errorf("storage %q: %w", p.Name, err)
	}
	if s.readOnly {
		return store, nil
	}
	if err := s.restored.use(ctx, p.Name, store, s.clock); err != nil {
		return Storage{}, errors.Join(fmt.Errorf("storage %q: %w", p.Name, err), store.Close())
	}
	return store, nil
}

func (f *fallback) openStandby(ctx context.Context, l fx.Lifecycle, c *config.Config, store Storage, s environment) error {
	p := c.Provider[c.Storage.Standby]
	other, bounded, err := openBounded(ctx, l, p, s, standby)
	if fault.Is(err, fault.Unavailable) && bounded != nil {
		err = nil // the store is opened later, and the log reports it
	}
	if noStore(err) {
		return nil // nothing was ever copied to it
	}
	if err != nil {
		return err
	}
	f.mirror = bounded
	f.standby = users.NewStandby(users.StandbyOptions{
		Users: store.Users, Feed: store.Journal, Copy: other.Journal, Clock: s.clock, MaxLag: c.Storage.StandbyMaxLag, Log: s.log,
	})
	return nil
}

// show adds the state of the fallback to the metrics.
func (f fallback) show(s environment) {
	s.metrics.Restored(s.restored.since)
	if f.spool != nil {
		s.metrics.Spool(func() (held, refused int, oldest time.Duration) {
			st := f.spool.Status()
			if st.Held > 0 {
				oldest = s.clock.Now().Sub(st.Oldest)
			}
			return st.Held, st.Refused, oldest
		})
	}
	if f.standby != nil {
		s.metrics.Standby(func() float64 {
			if asOf, _ := f.standby.AsOf(); asOf.IsZero() { // nothing was ever copied to it
				return math.Inf(1)
			}
			return f.standby.Lag().Seconds()
		})
	}
}

// runs returns the background tasks of the fallback by name.
func (f fallback) runs() map[string]func(context.Context) {
	all := make(map[string]func(context.Context))
	for what, s := range map[string]*resilience.Storage{"watch over the database": f.bounded, "watch over the standby": f.mirror} {
		if s != nil {
			all[what] = s.Watch
		}
	}
	if f.standby != nil {
		all["standby"] = f.standby.Run
	}
	if f.spool != nil {
		all["spool"] = f.spool.Run
	}
	return all
}

// health reports whether requests can be served. It returns "degraded" if the fallback
// serves some of them.
func (f fallback) health(ctx context.Context, store Storage) (string, error) {
	err := store.Journal.Ping(ctx)
	if f.local == nil || !fault.Is(err, fault.Unavailable) {
		return "ok", err
	}
	return "degraded", f.local.Ping(ctx)
}

// status describes the store and its fallback.
func (f fallback) status(ctx context.Context, c *config.Config, store Storage) adminapi.Storage {
	state := func(p config.Provider, err error) adminapi.Store {
		one := adminapi.Store{Provider: p.Name, Type: p.Type.Name, Available: err == nil}
		if err != nil {
			one.Problem = fault.KindOf(err).String()
		}
		return one
	}
	view := adminapi.Storage{Store: state(c.Provider[c.Storage.Provider], store.Journal.Ping(ctx))}
	if name := c.Storage.Standby; name != "" && f.standby == nil {
		view.Standby = &adminapi.Standby{Store: state(c.Provider[name], errNotMade)}
	}
	if f.standby != nil {
		asOf, err := f.standby.AsOf()
		one := adminapi.Standby{Store: state(c.Provider[c.Storage.Standby], err), AsOf: asOf}
		view.Standby = &one
	}
	if path := c.Spool(); path != "" && f.spool == nil { // nothing was ever spooled
		view.Spool = &adminapi.Spool{Path: path}
	}
	if f.spool != nil {
		st := f.spool.Status()
		view.Spool = &adminapi.Spool{Path: c.Spool(), Held: st.Held, Oldest: st.Oldest, Refused: st.Refused}
	}
	view.SetAside = setbacksOf(store, f).view(ctx)
	return view
}

// closers closes what was opened, in the reverse order. It implements fx.Lifecycle.
type closers []fx.Hook

// Append implements fx.Lifecycle.
func (c *closers) Append(h fx.Hook) { *c = append(*c, h) }

func (c *closers) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		if (*c)[i].OnStop != nil {
			errs = append(errs, (*c)[i].OnStop(ctx))
		}
	}
	return errors.Join(errs...)
}
