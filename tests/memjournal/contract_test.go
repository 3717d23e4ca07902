package memjournal_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/tests/contract"
	"patchbay/tests/memjournal"
)

func TestContract(t *testing.T) {
	t.Parallel()
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		contract.Journal(t, contract.InMemory, func(*testing.T) contract.JournalHarness {
			return contract.JournalHarness{Journal: memjournal.New(clock.System{})}
		})
	})
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		contract.Archive(t, func(*testing.T) contract.ArchiveHarness {
			j := memjournal.New(clock.System{})
			return contract.ArchiveHarness{Archive: memjournal.Archive{Journal: j}, Journal: j}
		})
	})
}
