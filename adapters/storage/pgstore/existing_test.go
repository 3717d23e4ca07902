package pgstore_test

import (
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/storage/pgstore"
	"patchbay/core/fault"
	"patchbay/tests/postgres"
)

func TestAStoreThatMustExistIsNotCreated(t *testing.T) {
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
	err := existing(empty)
	if f := fault.From(err); f.Kind != fault.NotFound || f.Code != "no_store" {
		t.Errorf("Open of an empty database: error = %v, want kind %s, code no_store", err, fault.NotFound)
	}
	if got := relations(t, s, empty); len(got) != 0 {
		t.Errorf("tables and indexes after that = %q, want none", got)
	}
	if err := existing(freshDatabase(t, s)); err != nil {
		t.Errorf("Open of a database with a store: %v", err)
	}
}
