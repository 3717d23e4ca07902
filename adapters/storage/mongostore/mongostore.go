// Package mongostore keeps the journal in a MongoDB, one document a record. It
// asks for no transaction, no change stream and no index that is partial,
// compound and unique, or over an array: a standalone server does.
//
// A write is answered when a majority has it in its journal on disk.
package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"patchbay/ports"
)

// Options says what to open.
type Options struct {
	URI      string // mongodb://…; options in it that weaken writes are overruled
	Database string
}

// Store is an open database.
type Store struct {
	client              *mongo.Client
	records, feed, ping *mongo.Collection
}

// connectTimeout bounds the search for a server and the dial: 3 s, as for every
// database.
const connectTimeout = 3 * time.Second

// Open connects, and makes the indexes that are not there yet. Unavailable.
func Open(ctx context.Context, o Options) (*Store, error) {
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(o.URI).
		SetServerSelectionTimeout(connectTimeout).SetConnectTimeout(connectTimeout).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: new(true)}))
	if err != nil {
		return nil, readFault("mongostore.open", err)
	}
	db := client.Database(o.Database)
	s := &Store{client: client, records: db.Collection("record"), feed: db.Collection("feed"), ping: db.Collection("ping")}
	if err := s.index(ctx); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Store) index(ctx context.Context) error {
	// Made anew for each index: the driver writes the index's name into it.
	unique := func() *options.IndexOptions { return options.Index().SetUnique(true) }
	for _, of := range []struct {
		collection *mongo.Collection
		indexes    []mongo.IndexModel
	}{
		{s.records, []mongo.IndexModel{
			{Keys: bson.D{{Key: "idem", Value: 1}}, Options: unique()},
			{Keys: bson.D{{Key: "ref", Value: 1}}, Options: unique()},
			{Keys: bson.D{{Key: "queue", Value: 1}, {Key: "due", Value: 1}}},
			{Keys: bson.D{{Key: "tell", Value: 1}}},
			{Keys: bson.D{{Key: "kind", Value: 1}, {Key: "tenant", Value: 1}, {Key: "created", Value: -1}, {Key: "id", Value: -1}}},
		}},
		{s.feed, []mongo.IndexModel{
			{Keys: bson.D{{Key: "event", Value: 1}}, Options: unique()},
			{Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "_id", Value: 1}}},
		}},
	} {
		if _, err := of.collection.Indexes().CreateMany(ctx, of.indexes); err != nil {
			return readFault("mongostore.index", err)
		}
	}
	return nil
}

// Close ends the connections.
func (s *Store) Close(ctx context.Context) error { return s.client.Disconnect(ctx) }

// Journal gives the store as a journal.
func (s *Store) Journal() ports.Journal { return journal{s} }

// now is the database's own clock, by which leases run, in microseconds.
func (s *Store) now(ctx context.Context) (int64, error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	return hello.LocalTime.UnixMicro(), err
}
