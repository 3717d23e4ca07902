package mongostore_test

import (
	"context"
	"strings"
	"testing"

	"patchbay/adapters/storage/mongostore"
	"patchbay/ports"
	"patchbay/tests/contract/archivetest"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/contract/usertest"
	"patchbay/tests/mongod"
)

func open(t *testing.T, database string) *mongostore.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Environment(t, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// place is a new database, as the server's URI and its name.
func place(t testing.TB) string {
	t.Helper()
	return mongod.URI(t) + " " + mongod.Database()
}

func TestMain(m *testing.M) {
	mongostore.AllowSlowCalls()
	journaltest.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
		uri, database, _ := strings.Cut(place, " ")
		e, err := mongostore.EnvironmentAt(uri, database)
		if err != nil {
			return nil, err
		}
		e.Clock = clock
		s, err := mongostore.Open(ctx, e)
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
			return journaltest.Harness{Journal: open(t, mongod.Database())}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		usertest.Run(t, func(t *testing.T) usertest.Harness {
			s := open(t, mongod.Database())
			return usertest.Harness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		withUsers := func(t *testing.T) archivetest.UsersHarness {
			s := open(t, mongod.Database())
			return archivetest.UsersHarness{
				Harness: archivetest.Harness{Archive: s, Journal: s}, Users: s.Users(),
			}
		}
		archivetest.Run(t, func(t *testing.T) archivetest.Harness { return withUsers(t).Harness })
		archivetest.RunUsers(t, withUsers)
	})
}
