package mongostore_test

import (
	"testing"

	"patchbay/adapters/storage/mongostore"
	"patchbay/adapters/sys"
	"patchbay/tests/contract"
	"patchbay/tests/mongod"
)

func open(t *testing.T, database string) *mongostore.Store {
	t.Helper()
	s, err := mongostore.Open(t.Context(), mongostore.Options{
		URI: mongod.URI(t), Database: database, Clock: sys.Clock{}, IDs: sys.IDs{},
	})
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

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		contract.Journal(t, func(t *testing.T) contract.JournalHarness {
			return contract.JournalHarness{Journal: open(t, mongod.Database()).Journal()}
		})
	})
	t.Run("users", func(t *testing.T) {
		t.Parallel()
		contract.Users(t, func(t *testing.T) contract.UsersHarness {
			s := open(t, mongod.Database())
			return contract.UsersHarness{Users: s.Users(), Journal: s.Journal()}
		})
	})
}
