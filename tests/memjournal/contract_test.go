package memjournal_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/tests/contract/archivetest"
	"patchbay/tests/contract/journaltest"
	"patchbay/tests/memjournal"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		journaltest.Run(t, journaltest.InMemory, func(*testing.T) journaltest.Harness {
			return journaltest.Harness{Journal: memjournal.New(clock.System{})}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		archivetest.Run(t, func(*testing.T) archivetest.Harness {
			j := memjournal.New(clock.System{})
			return archivetest.Harness{Archive: memjournal.Archive{Journal: j}, Journal: j}
		})
	})
}
