package mongostore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/mongostore"
	"patchbay/ports"
	"patchbay/tests/contract"
	"patchbay/tests/mongod"
)

// patience is how long a call may take while many tests share the server and two cores.
const patience = 20 * time.Second

func onServer(t testing.TB, database string) mongostore.Options {
	t.Helper()
	return mongostore.Options{URI: mongod.URI(t), Database: database, Clock: clock.System{}, IDs: ids.UUIDs{}, Timeout: patience}
}

func open(t *testing.T, database string) *mongostore.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), onServer(t, database))
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
	contract.Main(m, func(ctx context.Context, place string, clock ports.Clock) (ports.Journal, error) {
		uri, database, _ := strings.Cut(place, " ")
		s, err := mongostore.Open(ctx, mongostore.Options{URI: uri, Database: database, Clock: clock, IDs: ids.UUIDs{}, Timeout: patience})
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
		contract.Journal(t, contract.Processes{Share: true, Make: place}, func(t *testing.T) contract.JournalHarness {
			return contract.JournalHarness{Journal: open(t, mongod.Database())}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		contract.Users(t, func(t *testing.T) contract.UsersHarness {
			s := open(t, mongod.Database())
			return contract.UsersHarness{Users: s.Users(), Journal: s}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		laidOpen := func(t *testing.T) contract.ArchivedUsersHarness {
			s := open(t, mongod.Database())
			return contract.ArchivedUsersHarness{
				ArchiveHarness: contract.ArchiveHarness{Archive: s, Journal: s}, Users: s.Users(),
			}
		}
		contract.Archive(t, func(t *testing.T) contract.ArchiveHarness { return laidOpen(t).ArchiveHarness })
		contract.ArchivedUsers(t, laidOpen)
	})
}
