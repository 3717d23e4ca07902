package mongostore_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"patchbay/adapters/storage/mongostore"
	"patchbay/core/fault"
	"patchbay/tests/mongod"
)

func TestAStoreThatMustExistIsNotCreated(t *testing.T) {
	t.Parallel()
	e := mongostore.Environment(t, mongod.Database())
	e.Existing = true
	_, err := mongostore.Open(t.Context(), e)
	if f := fault.From(err); f.Kind != fault.NotFound || f.Code != "no_store" {
		t.Errorf("Open of an empty database: error = %v, want kind %s, code no_store", err, fault.NotFound)
	}
	names, err := database(t, e).ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 0 {
		t.Errorf("collections after that = %q, want none", names)
	}
	for _, existing := range []bool{false, true} {
		e.Existing = existing
		s, err := mongostore.Open(t.Context(), e)
		if err != nil {
			t.Fatalf("Open with Existing = %t, after the store was created or may be: %v", existing, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
