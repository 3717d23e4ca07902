package usertest_test

import (
	"path/filepath"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/tests/contract/usertest"
)

// The test file of a store calls the suite from TestContract.
func Example() {
	testContract := func(t *testing.T) {
		t.Parallel()
		t.Run("users", func(t *testing.T) {
			t.Parallel()
			usertest.Run(t, func(t *testing.T) usertest.Harness {
				s, err := sqlitestore.Open(t.Context(), sqlitestore.Options{
					Path: filepath.Join(t.TempDir(), "store.db"), Clock: clock.System{}, IDs: ids.UUIDs{},
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				return usertest.Harness{Users: s.Users(), Journal: s}
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
