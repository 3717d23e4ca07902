package sqlitestore_test

import (
	"context"
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/ports"
	"patchbay/tests/contract/archivetest"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/contract/usertest"
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
	journaltest.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
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
		journaltest.Run(t, journaltest.Processes{Make: place}, func(t *testing.T) journaltest.Harness {
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
