package sqlitestore_test

import (
	"context"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/ports"
	"patchbay/tests/contract"
)

func open(t testing.TB, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a case may have closed it
	return s
}

func fresh(t testing.TB) *sqlitestore.Store {
	t.Helper()
	return open(t, place(t))
}

func place(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "store.db")
}

func TestMain(m *testing.M) {
	contract.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
		s, err := sqlitestore.Open(ctx, sqlitestore.Options{Path: place, Clock: clock, IDs: ids.UUIDs{}})
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
		contract.Journal(t, contract.Processes{Make: place}, func(t *testing.T) contract.JournalHarness {
			return contract.JournalHarness{Journal: fresh(t)}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		contract.Users(t, func(t *testing.T) contract.UsersHarness {
			s := fresh(t)
			return contract.UsersHarness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		laidOpen := func(t *testing.T) contract.ArchivedUsersHarness {
			s := fresh(t)
			return contract.ArchivedUsersHarness{
				ArchiveHarness: contract.ArchiveHarness{Archive: s, Journal: s}, Users: s.Users(),
			}
		}
		contract.Archive(t, func(t *testing.T) contract.ArchiveHarness { return laidOpen(t).ArchiveHarness })
		contract.ArchivedUsers(t, laidOpen)
	})
}
