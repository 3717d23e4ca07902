package pgstore_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/core/fault"
	"patchbay/tests/postgres"
)

func TestAStoreThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	s := postgres.Shared(t)
	existing := func(database string) error {
		e := environment(s.Port, database, clock.System{})
		e.Existing = true
		store, err := pgstore.Open(t.Context(), e)
		if err == nil {
			err = store.Close()
		}
		return err
	}
	empty := s.Database(t)
	if err := existing(empty); !fault.Is(err, fault.NotFound) || fault.From(err).Code != "no_store" {
		t.Errorf("where there is none: %v", err)
	}
	if got := relations(t, s, empty); len(got) != 0 {
		t.Errorf("it has made %q", got)
	}
	if err := existing(freshDatabase(t, s)); err != nil {
		t.Errorf("where there is one: %v", err)
	}
}
