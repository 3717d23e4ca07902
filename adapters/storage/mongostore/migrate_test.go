package mongostore_test

import (
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/storage/mongostore"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/mongod"
)

func TestADatabaseIsOpenedAgainAndByMany(t *testing.T) {
	t.Parallel()
	o := onServer(t, mongod.Database())
	r := ports.Record{Kind: "thing", ID: "a", Body: []byte("x"), Idem: "k"}
	for range 2 {
		s, err := mongostore.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Save(t.Context(), &r) // the second time it is there
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			s, err := mongostore.Open(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if got, err := s.Get(t.Context(), "", "thing", "a"); err != nil || string(got.Body) != "x" {
				t.Errorf("%+v, %v", got, err)
			}
			other := ports.Record{Kind: "thing", ID: "b", Body: []byte("x"), Idem: "k"}
			if err := s.Save(t.Context(), &other)[0]; !fault.Is(err, fault.Conflict) {
				t.Errorf("the unique index is gone: %v", err)
			}
		})
	}
	all.Wait()
}

func TestADatabaseOfAnotherVersionIsNotOpened(t *testing.T) {
	t.Parallel()
	for version, code := range map[int]string{1: "store_older", 3: "store_older", 5: "store_newer", 1000: "store_newer"} {
		o := onServer(t, mongod.Database())
		client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(o.URI))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Disconnect(t.Context())
		meta := client.Database(o.Database).Collection("meta")
		if _, err := meta.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "store"}, {Key: "version", Value: version}}); err != nil {
			t.Fatal(err)
		}
		if _, err := mongostore.Open(t.Context(), o); !fault.Is(err, fault.Invalid) || fault.From(err).Code != code {
			t.Errorf("version %d: got %v, want %s", version, err, code)
		}
	}
}

// Other programs may have collections beside ours, also by the names that ours once had.
func TestWhatOtherProgramsHaveIsLeftAlone(t *testing.T) {
	t.Parallel()
	o := onServer(t, mongod.Database())
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(o.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	db := client.Database(o.Database)
	_, err = db.Collection("user").InsertMany(t.Context(), []any{bson.M{"_id": 1, "email": "same"}, bson.M{"_id": 2, "email": "same"}})
	if err == nil {
		_, err = db.Collection("meta").InsertOne(t.Context(), bson.M{"_id": "store", "version": "ours"})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := mongostore.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Save(t.Context(), &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")}) // the second time it is there
		if _, err := s.Get(t.Context(), "", "thing", "a"); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := db.Collection("user").CountDocuments(t.Context(), bson.D{}); err != nil || n != 2 {
		t.Errorf("%d of their documents are there, %v", n, err)
	}
	indexes, err := db.Collection("user").Indexes().ListSpecifications(t.Context())
	if err != nil || len(indexes) != 1 {
		t.Errorf("%d indexes, %v", len(indexes), err)
	}
}

func TestTheCollectionsOfAnEarlierVersionKeepTheirNames(t *testing.T) {
	t.Parallel()
	o := onServer(t, mongod.Database())
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(o.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	db := client.Database(o.Database)
	if _, err := db.Collection("meta").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "store"}, {Key: "version", Value: 4}}); err != nil {
		t.Fatal(err)
	}
	s, err := mongostore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Save(t.Context(), &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")})[0]; err != nil {
		t.Fatal(err)
	}
	if n, err := db.Collection("record").CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("%d documents where they were kept, %v", n, err)
	}
}
