package pgstore_test

import (
	"testing"
	"time"

	"patchbay/adapters/storage/pgstore"
	"patchbay/adapters/sys"
	"patchbay/tests/contract"
	"patchbay/tests/postgres"
)

func open(t testing.TB, s *postgres.Server, database string) *pgstore.Store {
	t.Helper()
	store, err := pgstore.Open(t.Context(), pgstore.Options{
		Host: "127.0.0.1", Port: s.Port, Database: database, Username: postgres.Username, Max: 8, Idle: time.Minute,
		Clock: sys.Clock{}, IDs: sys.IDs{},
	})
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

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		contract.Journal(t, func(t *testing.T) contract.JournalHarness {
			return contract.JournalHarness{Journal: fresh(t).Journal()}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		contract.Users(t, func(t *testing.T) contract.UsersHarness {
			s := fresh(t)
			return contract.UsersHarness{Users: s.Users(), Journal: s.Journal()}
		})
	})
}
