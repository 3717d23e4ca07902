package pgstore

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/provider"
	"patchbay/config/setting"
	"patchbay/core/event"
	"patchbay/ports"
	"patchbay/tests/postgres"
)

func fresh(t *testing.T) *Store {
	t.Helper()
	server := postgres.Shared(t)
	s, err := openAt(t, server.Port, server.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openAt(t *testing.T, port uint16, database string) (*Store, error) {
	d := setting.StandardDatabase("postgres", int(port))
	d.Database, d.Username, d.SSL = database, postgres.Username, false
	d.Pool = setting.Pool{Max: 12, Idle: setting.Idle(time.Minute)}
	s, err := Open(t.Context(), provider.Environment{Settings: d, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// occupy takes all lanes, so that n calls get into one batch, which is sent when release is
// called.
func occupy[Q, A any](t *testing.T, g *gather[Q, A], n int) (release func()) {
	t.Helper()
	is := func(ready func() bool) func() bool {
		return func() bool { g.mu.Lock(); defer g.mu.Unlock(); return ready() }
	}
	until(is(func() bool { return g.busy == 0 }))
	var none Q
	for range g.lanes {
		_, _ = g.enter(none)
	}
	return func() {
		until(is(func() bool { return len(g.waiting) == n }))
		for range g.lanes {
			g.leave()
		}
	}
}

func until(done func() bool) {
	for !done() {
		runtime.Gosched()
	}
}

func newRecord(id string) *ports.Record {
	return &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("body"), Events: []event.Event{{ID: "fev_" + id, Tenant: "t"}}}
}

// saveAll saves records in one batch, and returns their errors.
func saveAll(t *testing.T, s *Store, records ...*ports.Record) []error {
	t.Helper()
	errs := make([]error, len(records))
	release := occupy(t, &s.recordSaves, len(records))
	var all sync.WaitGroup
	for i, r := range records {
		all.Go(func() { errs[i] = s.Save(t.Context(), r)[0] })
	}
	release()
	all.Wait()
	return errs
}

// checkNumber checks the number that a query returns.
func (s *Store) checkNumber(t *testing.T, what string, want int, query string, args ...any) {
	t.Helper()
	if got := s.number(t, query, args...); got != want {
		t.Errorf("%s = %d, want %d", what, got, want)
	}
}

func (s *Store) number(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// hold keeps what a statement has locked until end is called.
func (s *Store) hold(t *testing.T, statement string) (end func()) {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }
}

// blocked waits until a statement waits for a lock, and returns its process.
func (s *Store) blocked(t *testing.T) (process int) {
	t.Helper()
	until(func() bool {
		err := s.pool.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&process)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		return err == nil
	})
	return process
}

const insertX = `INSERT INTO patchbay_record (rev, kind, tenant, id, status, customer, created, due, owner, body) VALUES (1, 'thing', 't', 'x', '', '', 0, 0, '', 'x')`
