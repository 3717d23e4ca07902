package mongostore_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"patchbay/adapters/provider"
	"patchbay/adapters/storage/mongostore"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/mongod"
)

// database returns the database of a store, without the store.
func database(t *testing.T, e provider.Environment) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(t.Context(), options.Client().ApplyURI(mongod.URI(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client.Database(e.Settings.(*setting.Database).Database)
}

func checkDocuments(t *testing.T, c *mongo.Collection, want int64) {
	t.Helper()
	n, err := c.CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	if n != want {
		t.Errorf("documents in collection %s = %d, want %d", c.Name(), n, want)
	}
}

func TestAStoreIsOpenedAgainAndBySeveralProcesses(t *testing.T) {
	t.Parallel()
	e := mongostore.Environment(t, mongod.Database())
	r := ports.Record{Kind: "thing", ID: "a", Body: []byte("x"), Idem: "k"}
	for range 2 {
		s, err := mongostore.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Save(t.Context(), &r) // the second time it exists
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			s, err := mongostore.Open(t.Context(), e)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if got, err := s.Get(t.Context(), "", "thing", "a"); err != nil || string(got.Body) != "x" {
				t.Errorf("body of the record = %q, %v, want %q", got.Body, err, "x")
			}
			other := ports.Record{Kind: "thing", ID: "b", Body: []byte("x"), Idem: "k"}
			if err := s.Save(t.Context(), &other)[0]; !fault.Is(err, fault.Conflict) {
				t.Errorf("Save of another record with the same Idem: error = %v, want kind %s", err, fault.Conflict)
			}
		})
	}
	all.Wait()
}

func TestAStoreOfAnotherVersionIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	for version, code := range map[int]string{1: "store_older", 3: "store_older", 6: "store_newer", 1000: "store_newer"} {
		t.Run(fmt.Sprintf("version %d with %s", version, code), func(t *testing.T) {
			t.Parallel()
			e := mongostore.Environment(t, mongod.Database())
			if _, err := database(t, e).Collection("meta").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "store"}, {Key: "version", Value: version}}); err != nil {
				t.Fatal(err)
			}
			_, err := mongostore.Open(t.Context(), e)
			if f := fault.From(err); f.Kind != fault.Invalid || f.Code != code {
				t.Errorf("Open: error = %v, want kind %s, code %s", err, fault.Invalid, code)
			}
			names, err := database(t, e).ListCollectionNames(t.Context(), bson.D{})
			if err != nil || !slices.Equal(names, []string{"meta"}) {
				t.Errorf("collections after that = %q, %v, want meta alone", names, err)
			}
		})
	}
}

// Other programs may have collections beside ours, also by the names that ours once had.
func TestCollectionsOfOtherProgramsStayUnchanged(t *testing.T) {
	t.Parallel()
	e := mongostore.Environment(t, mongod.Database())
	db := database(t, e)
	_, err := db.Collection("user").InsertMany(t.Context(), []any{bson.M{"_id": 1, "email": "same"}, bson.M{"_id": 2, "email": "same"}})
	if err == nil {
		_, err = db.Collection("meta").InsertOne(t.Context(), bson.M{"_id": "store", "version": "ours"})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := mongostore.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Save(t.Context(), &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")}) // the second time it exists
		if _, err := s.Get(t.Context(), "", "thing", "a"); err != nil {
			t.Errorf("Get of a record of ours: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkDocuments(t, db.Collection("user"), 2)
	indexes, err := db.Collection("user").Indexes().ListSpecifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(indexes) != 1 {
		t.Errorf("indexes of their collection = %d, want the one on _id", len(indexes))
	}
}

func TestCollectionsOfAnEarlierVersionKeepTheirNames(t *testing.T) {
	t.Parallel()
	e := mongostore.Environment(t, mongod.Database())
	db := database(t, e)
	if _, err := db.Collection("meta").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "store"}, {Key: "version", Value: 4}}); err != nil {
		t.Fatal(err)
	}
	s, err := mongostore.Open(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Save(t.Context(), &ports.Record{Kind: "thing", ID: "a", Body: []byte("x")})[0]; err != nil {
		t.Fatal(err)
	}
	checkDocuments(t, db.Collection("record"), 1)
}

// A store of version 4 lacks the index of the terms.
func TestAStoreOfVersion4IsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	const index = "kind_1_tenant_1_terms_1_created_-1_id_-1"
	e := mongostore.Environment(t, mongod.Database())
	open := func() *mongostore.Store {
		s, err := mongostore.Open(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := open().Close(); err != nil {
		t.Fatal(err)
	}
	db := database(t, e)
	records, meta := db.Collection("patchbay_record"), db.Collection("patchbay_meta")
	if _, err := records.Indexes().DropOne(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	if _, err := meta.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "store"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 4}}}}); err != nil {
		t.Fatal(err)
	}
	s := open()
	t.Cleanup(func() { _ = s.Close() })
	var store struct{ Version int }
	if err := meta.FindOne(t.Context(), bson.D{}).Decode(&store); err != nil || store.Version != 5 {
		t.Errorf("version = %d, %v; want 5", store.Version, err)
	}
	indexes, err := records.Indexes().ListSpecifications(t.Context())
	if err != nil || !slices.ContainsFunc(indexes, func(one *mongo.IndexSpecification) bool { return one.Name == index }) {
		t.Errorf("indexes = %d, %v; want %s among them", len(indexes), err, index)
	}
}
