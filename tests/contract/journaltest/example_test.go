package journaltest_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/memjournal"
)

// The test file of a store calls the suite from TestContract. This store is in memory; one that
// further processes can open declares journaltest.Processes, and calls journaltest.Main from
// TestMain.
func Example() {
	testContract := func(t *testing.T) {
		t.Parallel()
		t.Run("journal", func(t *testing.T) {
			t.Parallel()
			journaltest.Run(t, journaltest.InMemory, func(*testing.T) journaltest.Harness {
				return journaltest.Harness{Journal: memjournal.New(clock.System{})}
			})
		})
	}
	_ = testing.InternalTest{Name: "TestContract", F: testContract} // go test finds a function of this name
}
