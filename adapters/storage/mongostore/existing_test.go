package mongostore_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/mongostore"
	"patchbay/core/fault"
	"patchbay/tests/mongod"
)

func TestAStoreThatMustExistIsNotMade(t *testing.T) {
	t.Parallel()
	o := onServer(t, mongod.Database())
	o.Existing = true
	if _, err := mongostore.Open(t.Context(), o); !fault.Is(err, fault.NotFound) || fault.From(err).Code != "no_store" {
		t.Errorf("where there is none: %v", err)
	}
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(o.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	if names, err := client.Database(o.Database).ListCollectionNames(t.Context(), bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("it has made %q, %v", names, err)
	}
	for _, existing := range []bool{false, true} {
		o.Existing = existing
		s, err := mongostore.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
