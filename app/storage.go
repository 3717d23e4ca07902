package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"go.uber.org/fx"

	"patchbay/adapters/adminapi"
	"patchbay/adapters/provider"
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

// fallback holds what is used when the store is not available. Each of the first three fields
// may be nil.
type fallback struct {
	standby *users.Standby
	spool   *spool.Spool
	local   ports.Journal                    // the spool's journal on this machine
	tasks   map[string]func(context.Context) // that run in the background, by name
}

// openStorage opens the store and its fallback. They are closed when the gateway stops, or by
// opened if no gateway is started. The store may be unavailable if a spool from an earlier
// process exists.
func openStorage(gateway fx.Lifecycle, opened *closers, c *config.Config, s environment) (Storage, fallback, error) {
	gateway.Append(fx.StopHook(opened.close))
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	s.metrics.Restored(s.restored.since)
	f := fallback{tasks: make(map[string]func(context.Context))}
	store, err := f.open(ctx, opened, c, s)
	if err == nil && c.Storage.Standby != "" {
		err = f.openStandby(ctx, opened, c, store, s)
	}
	return store, f, err
}

func (f *fallback) open(ctx context.Context, opened *closers, c *config.Config, s environment) (Storage, error) {
	p, path := c.Provider[c.Storage.Provider], c.Spool()
	_, serr := os.Stat(path)
	store, err := f.openBounded(ctx, opened, p, s, roleStore(c), "watch over the database")
	spooled := fault.Is(err, fault.Unavailable) && p.Type.Server && path != "" && serr == nil
	if err != nil && !spooled {
		return Storage{}, err
	}
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
	opened.add(held.Close)
	f.local = observed("spool", resilience.Store{Journal: held}, s, spoolFile)
	if f.spool, err = openSpool(ctx, store.Journal, f.local, s); err != nil {
		return Storage{}, err
	}
	f.tasks["spool"] = f.spool.Run
	s.metrics.Spool(func() (held, refused int, oldest time.Duration) {
		st := f.spool.Status()
		if st.Held > 0 {
			oldest = s.clock.Now().Sub(st.Oldest)
		}
		return st.Held, st.Refused, oldest
	})
	store.Journal = f.spool
	return store, nil
}

func openSpool(ctx context.Context, store, local ports.Journal, s environment) (*spool.Spool, error) {
	names := s.messageNames()
	return spool.Open(ctx, spool.Options{
		Store: store, Local: local, Clock: s.clock, Owner: s.owner, Log: s.log,
		Kinds: map[string]spool.Kind{
			emails.Kind:      {Same: names.SameRequest, Anew: names.NewID, Others: names.OtherIDs, Release: emails.Release, Personal: emails.Personal},
			emails.BatchKind: {Same: names.SameBatch, Anew: names.NewBatchID},
			// It comes before its message.
			emails.ExpiryKind: {Same: emails.SameExpiry},
			webhooks.Kind: {
				Same:     func(ports.Record, ports.Record) bool { return true }, // the id is that of the event
				Personal: webhooks.Personal,
			},
		},
	})
}

// openBounded opens a store, wrapped in its policy and watched by the task named watch if it is
// a server. A server's store that is not available is returned together with the error: it may
// be opened later.
func (f *fallback) openBounded(ctx context.Context, opened *closers, p config.Provider, s environment, as role, watch string) (Storage, error) {
	if !p.Type.Server {
		store, err := openStore(ctx, p, s)
		if err != nil {
			return Storage{}, err
		}
		opened.add(store.Close)
		observing := observed(p.Name, resilience.Store{Journal: store.Journal, Users: store.Users}, s, as)
		store.Journal, store.Users = observing, observing.Users()
		return store, nil
	}
	bounded := resilience.NewStorage(p.Name, func(ctx context.Context) (resilience.Store, error) {
		store, err := openStore(ctx, p, s)
		if err != nil {
			return resilience.Store{}, err
		}
		return resilience.Store{Journal: store.Journal, Users: store.Users, Close: store.Close}, nil
	}, withPolicy(p, s, as))
	opened.add(bounded.Close)
	f.tasks[watch] = bounded.Watch
	return Storage{Journal: bounded, Users: bounded.Users(), Closer: bounded}, bounded.Open(ctx)
}

// observed makes the log report failures of a store on this machine.
func observed(name string, store resilience.Store, s environment, as role) *resilience.Storage {
	return resilience.Observe(name, store, newObserver(name, as, s).observe)
}

// openStore opens a store and marks it as in use, so that nothing is copied into it from
// then on. It refuses a store that is an unfinished copy.
func openStore(ctx context.Context, p config.Provider, s environment) (Storage, error) {
	store, err := p.From.(provider.Storage).New(ctx, s.environmentFor(p)) // the configuration has checked the type
	if err == nil && (store.Journal == nil || store.Users == nil || store.Archive == nil || store.Closer == nil) {
		err = errNotBuilt
	}
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

func (f *fallback) openStandby(ctx context.Context, opened *closers, c *config.Config, store Storage, s environment) error {
	p := c.Provider[c.Storage.Standby]
	other, err := f.openBounded(ctx, opened, p, s, standby, "watch over the standby")
	if fault.Is(err, fault.Unavailable) && p.Type.Server {
		err = nil // the store is opened later, and the log reports it
	}
	if noStore(err) {
		return nil // nothing was ever copied to it
	}
	if err != nil {
		return err
	}
	f.standby = users.NewStandby(users.StandbyOptions{
		Users: store.Users, Feed: store.Journal, Copy: other.Journal, Clock: s.clock, MaxLag: c.Storage.StandbyMaxLag, Log: s.log,
	})
	f.tasks["standby"] = f.standby.Run
	s.metrics.Standby(func() float64 {
		if asOf, _ := f.standby.AsOf(); asOf.IsZero() { // nothing was ever copied to it
			return math.Inf(1)
		}
		return f.standby.Lag().Seconds()
	})
	return nil
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
		store := adminapi.Store{Provider: p.Name, Type: p.Type.Name, Available: err == nil}
		if err != nil {
			store.Problem = fault.KindOf(err).String()
		}
		return store
	}
	view := adminapi.Storage{Store: state(c.Provider[c.Storage.Provider], store.Journal.Ping(ctx))}
	if name := c.Storage.Standby; name != "" {
		view.Standby = &adminapi.Standby{Store: state(c.Provider[name], errNotMade)}
		if f.standby != nil {
			asOf, err := f.standby.AsOf()
			view.Standby = &adminapi.Standby{Store: state(c.Provider[name], err), AsOf: asOf}
		}
	}
	if path := c.Spool(); path != "" {
		view.Spool = &adminapi.Spool{Path: path}
		if f.spool != nil { // else nothing was ever spooled
			st := f.spool.Status()
			view.Spool.Held, view.Spool.Oldest, view.Spool.Refused = st.Held, st.Oldest, st.Refused
		}
	}
	view.SetAside = setbacksOf(store, f).view(ctx)
	return view
}

// closers close what was opened, in the reverse order.
type closers []func() error

func (c *closers) add(closer func() error) { *c = append(*c, closer) }

func (c *closers) close() error {
	var errs []error
	for _, closer := range slices.Backward(*c) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}
