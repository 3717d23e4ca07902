package archivetest_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/tests/contract/archivetest"
	"patchbay/tests/memjournal"
)

// The test file of a store calls the suite from TestContract. This store has no users; one that has
// calls archivetest.RunUsers as well.
func Example() {
	testContract := func(t *testing.T) {
		t.Parallel()
		t.Run("archive", func(t *testing.T) {
			t.Parallel()
			archivetest.Run(t, func(*testing.T) archivetest.Harness {
				j := memjournal.New(clock.System{})
				return archivetest.Harness{Archive: memjournal.Archive{Journal: j}, Journal: j}
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
