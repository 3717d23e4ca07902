package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"go.uber.org/fx"

	"patchbay/adapters/console"
	"patchbay/adapters/failover"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/config"
	"patchbay/core/directory"
	"patchbay/core/fault"
	"patchbay/core/inbox"
	"patchbay/core/mailroom"
	"patchbay/core/spool"
	"patchbay/core/user"
	"patchbay/ports"
)

// fallback is what stands in for the store. Each may be nil.
type fallback struct {
	bounded *failover.Storage // the store, where it is a server
	mirror  *failover.Storage // the standby's store, where it is a server
	standby *directory.Standby
	spool   *spool.Spool
	local   ports.Journal // of this machine
}

// openServed opens the store for a gateway. It is closed when the gateway stops; a
// gateway that cannot be put together closes it by opened.
func openServed(l fx.Lifecycle, opened *closers, c *config.Config, s surroundings) (Storage, fallback, error) {
	l.Append(fx.StopHook(opened.close))
	return openStorage(opened, c, s)
}

// openStorage opens the store and what stands in for it. With a spool that an
// earlier process has made it may be gone.
func openStorage(l fx.Lifecycle, c *config.Config, s surroundings) (Storage, fallback, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var f fallback
	store, err := f.open(ctx, l, c, s)
	if err == nil && c.Storage.Standby != "" {
		err = f.openStandby(ctx, l, c, store, s)
	}
	f.show(s)
	return store, f, err
}

func (f *fallback) open(ctx context.Context, l fx.Lifecycle, c *config.Config, s surroundings) (Storage, error) {
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
		return store, nil // nothing was ever held
	}
	if err != nil {
		return Storage{}, fmt.Errorf("storage.spool: %w", err)
	}
	l.Append(fx.StopHook(held.Close))
	f.local = observed("spool", failover.Store{Journal: held.Journal()}, s, spoolFile).Journal()
	f.spool, err = openSpool(ctx, store.Journal, f.local, s)
	store.Journal = f.spool
	return store, err
}

func openSpool(ctx context.Context, store, local ports.Journal, s surroundings) (*spool.Spool, error) {
	names := s.messageNames()
	return spool.Open(ctx, spool.Options{
		Store: store, Local: local, Clock: s.clock, Owner: s.owner, Log: s.log,
		Anew:   map[string]func(held, stored ports.Record, children []*ports.Record) (ports.Record, bool){mailroom.Kind: names.Anew},
		Others: map[string]func(held ports.Record) []string{mailroom.Kind: names.Others},
		Same: map[string]func(a, b ports.Record) bool{
			mailroom.Kind: mailroom.Same,
			inbox.Kind:    func(ports.Record, ports.Record) bool { return true }, // the id is the event's own
		},
		Personal: map[string]func(ports.Record, user.Person) (any, bool){mailroom.Kind: mailroom.Personal, inbox.Kind: inbox.Personal},
	})
}

// openBounded opens a store, within its policy where it is a server. One that is
// not available is returned with that error: it may be opened later.
func openBounded(ctx context.Context, l fx.Lifecycle, p config.Provider, s surroundings, as role) (Storage, *failover.Storage, error) {
	e, err := find(p)
	if err != nil {
		return Storage{}, nil, err
	}
	if !p.Type.Server {
		store, err := openStore(ctx, e, p, s)
		if err != nil {
			return Storage{}, nil, err
		}
		l.Append(fx.StopHook(store.Close))
		told := observed(p.Name, failover.Store{Journal: store.Journal, Users: store.Users}, s, as)
		store.Journal, store.Users = told.Journal(), told.Users()
		return store, nil, nil
	}
	bounded := failover.NewStorage(p.Name, func(ctx context.Context) (failover.Store, error) {
		store, err := openStore(ctx, e, p, s)
		if err != nil {
			return failover.Store{}, err
		}
		return failover.Store{Journal: store.Journal, Users: store.Users, Close: store.Close}, nil
	}, within(p, s, as))
	l.Append(fx.StopHook(bounded.Close))
	return Storage{Journal: bounded.Journal(), Users: bounded.Users(), Closer: bounded}, bounded, bounded.Open(ctx)
}

// observed has the log tell of a store of this machine that fails.
func observed(name string, store failover.Store, s surroundings, as role) *failover.Storage {
	return failover.Observe(name, store, newObserver(name, as, s).observe)
}

// openStore opens a store, and marks it as in use: nothing is copied into it from now
// on. One that is an unfinished copy is refused.
func openStore(ctx context.Context, e entry, p config.Provider, s surroundings) (Storage, error) {
	store, err := e.storage(ctx, p, s)
	if err != nil {
		return Storage{}, fmt.Errorf("storage %q: %w", p.Name, err)
	}
	if s.looking {
		return store, nil
	}
	if err := s.restored.use(ctx, p.Name, store, s.clock); err != nil {
		return Storage{}, errors.Join(fmt.Errorf("storage %q: %w", p.Name, err), store.Close())
	}
	return store, nil
}

func (f *fallback) openStandby(ctx context.Context, l fx.Lifecycle, c *config.Config, store Storage, s surroundings) error {
	p := c.Provider[c.Storage.Standby]
	other, bounded, err := openBounded(ctx, l, p, s, standby)
	if fault.Is(err, fault.Unavailable) && bounded != nil {
		err = nil // it is looked for, and the log says so
	}
	if noStore(err) {
		return nil // it was never fed
	}
	if err != nil {
		return err
	}
	f.mirror = bounded
	f.standby = directory.NewStandby(directory.StandbyOptions{
		Users: store.Users, Feed: store.Journal, Copy: other.Journal, Clock: s.clock, MaxLag: c.Storage.StandbyMaxLag, Log: s.log,
	})
	return nil
}

// show puts what stands in for the store into the metrics.
func (f fallback) show(s surroundings) {
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
			if asOf, _ := f.standby.AsOf(); asOf.IsZero() { // it was never fed
				return math.Inf(1)
			}
			return f.standby.Lag().Seconds()
		})
	}
}

// runs is what the fallback does all the time, by what that is.
func (f fallback) runs() map[string]func(context.Context) {
	all := make(map[string]func(context.Context))
	for what, s := range map[string]*failover.Storage{"watch over the database": f.bounded, "watch over the standby": f.mirror} {
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

// health says whether requests can be served: "degraded" where what stands in for
// the store serves some of them.
func (f fallback) health(ctx context.Context, store Storage) (string, error) {
	err := store.Journal.Ping(ctx)
	if f.local == nil || !fault.Is(err, fault.Unavailable) {
		return "ok", err
	}
	return "degraded", f.local.Ping(ctx)
}

// status describes the store and what stands in for it.
func (f fallback) status(ctx context.Context, c *config.Config, store Storage) console.Storage {
	state := func(p config.Provider, err error) console.Store {
		one := console.Store{Provider: p.Name, Type: p.Type.Name, Available: err == nil}
		if err != nil {
			one.Problem = fault.KindOf(err).String()
		}
		return one
	}
	view := console.Storage{Store: state(c.Provider[c.Storage.Provider], store.Journal.Ping(ctx))}
	if name := c.Storage.Standby; name != "" && f.standby == nil {
		view.Standby = &console.Standby{Store: state(c.Provider[name], errNotMade)}
	}
	if f.standby != nil {
		asOf, err := f.standby.AsOf()
		one := console.Standby{Store: state(c.Provider[c.Storage.Standby], err), AsOf: asOf}
		view.Standby = &one
	}
	if path := c.Spool(); path != "" && f.spool == nil { // nothing was ever held
		view.Spool = &console.Spool{Path: path}
	}
	if f.spool != nil {
		st := f.spool.Status()
		view.Spool = &console.Spool{Path: c.Spool(), Held: st.Held, Oldest: st.Oldest, Refused: st.Refused}
	}
	view.SetAside = setbacksOf(store, f).view(ctx)
	return view
}

// closers is a lifecycle without a start: the command that opened it closes it.
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
