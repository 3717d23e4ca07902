package pgstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/provider"
	"patchbay/adapters/storage/pgstore"
	"patchbay/config/setting"
	"patchbay/ports"
	"patchbay/tests/contract/archivetest"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/contract/usertest"
	"patchbay/tests/postgres"
)

// environment is what a store in a database on this machine is built with.
func environment(port uint16, database string, clock ports.Clock) provider.Environment {
	d := setting.StandardDatabase("postgres", int(port))
	d.Database, d.Username, d.SSL = database, postgres.Username, false
	d.Pool = setting.Pool{Max: 8, Idle: setting.Idle(time.Minute)}
	return provider.Environment{Settings: d, Clock: clock, IDs: ids.UUIDs{}}
}

func open(t testing.TB, s *postgres.Server, database string) *pgstore.Store {
	t.Helper()
	store, err := pgstore.Open(t.Context(), environment(s.Port, database, clock.System{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func fresh(t testing.TB) *pgstore.Store {
	t.Helper()
	s := postgres.Shared(t)
	return open(t, s, s.Database(t))
}

// place is a new database, as its port and its name.
func place(t testing.TB) string {
	t.Helper()
	s := postgres.Shared(t)
	return fmt.Sprint(s.Port, " ", s.Database(t))
}

func TestMain(m *testing.M) {
	journaltest.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
		var port uint16
		var database string
		if _, err := fmt.Sscan(place, &port, &database); err != nil {
			return nil, err
		}
		s, err := pgstore.Open(ctx, environment(port, database, clock))
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		journaltest.Run(t, journaltest.Processes{Share: true, Make: place}, func(t *testing.T) journaltest.Harness {
			return journaltest.Harness{Journal: fresh(t)}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		usertest.Run(t, func(t *testing.T) usertest.Harness {
			s := fresh(t)
			return usertest.Harness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		withUsers := func(t *testing.T) archivetest.UsersHarness {
			s := fresh(t)
			return archivetest.UsersHarness{
				Harness: archivetest.Harness{Archive: s, Journal: s}, Users: s.Users(),
			}
		}
		archivetest.Run(t, func(t *testing.T) archivetest.Harness { return withUsers(t).Harness })
		archivetest.RunUsers(t, withUsers)
	})
}
