// Package mongostore keeps the journal and the users in a MongoDB database, one document
// each. It needs no transactions, no change streams, and no index that is partial, compound
// and unique, or over an array: a standalone server suffices.
//
// A write returns when a majority has it in its journal on disk.
package mongostore

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"patchbay/adapters/provider"
	"patchbay/adapters/storage/table"
	"patchbay/config/setting"
	"patchbay/ports"
)

// Store is an open database. It implements ports.Journal and ports.Archive.
type Store struct {
	client                        *mongo.Client
	records, userDocs, feed, ping *mongo.Collection
	users                         table.Users
}

// queryTimeout is the timeout of one call. Tests, which share a server, increase it.
var queryTimeout = table.QueryTimeout

// Open connects, and creates missing indexes. The Settings are a *setting.Database; the user is
// one of the database admin, and without a password there is no authentication. The Clock is for
// users only: leases use the database's own clock.
//
// NotFound with code no_store: the database is not a store yet, and must be one.
// Unavailable; Invalid with code store_newer: a newer version has used the database;
// with code store_older: only one that is too old has.
func Open(ctx context.Context, e provider.Environment) (*Store, error) {
	d := e.Settings.(*setting.Database)
	secure, err := d.TLS()
	if err != nil {
		return nil, err
	}
	settings := options.Client().ApplyURI("mongodb://" + net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) + "/").
		SetServerSelectionTimeout(table.ConnectTimeout).SetConnectTimeout(table.ConnectTimeout).SetTimeout(queryTimeout).
		SetReadPreference(readpref.Primary()).SetRetryWrites(false).
		SetMinPoolSize(uint64(d.Pool.Min)).SetMaxPoolSize(uint64(d.Pool.Max)).SetMaxConnIdleTime(time.Duration(d.Pool.Idle)).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: new(true)}).
		SetLoggerOptions(options.Logger().SetSink(driverLog{}))
	if secure != nil {
		settings.SetTLSConfig(secure)
	}
	if password := d.Password.Reveal(); password != "" {
		settings.SetAuth(options.Credential{Username: d.Username, Password: password})
	}
	client, err := mongo.Connect(ctx, settings)
	if err != nil {
		return nil, readFault("mongostore.open", err)
	}
	s := &Store{client: client}
	s.users = table.Users{UserTable: userTable{s}, Clock: e.Clock, IDs: e.IDs}
	if err := s.migrate(ctx, client.Database(d.Database), e.Existing); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// Close closes the connections after the calls in progress are answered.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// Users returns the store as a repository of users.
func (s *Store) Users() ports.UserRepository { return s.users }

// now returns the time of the database's own clock, which leases use, in microseconds.
func (s *Store) now(ctx context.Context) (int64, error) {
	var hello struct {
		LocalTime time.Time `bson:"localTime"`
	}
	err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)
	return hello.LocalTime.UnixMicro(), err
}

// all reads the documents that a filter selects.
func all[T any](ctx context.Context, from *mongo.Collection, op string, filter bson.D, o *options.FindOptions) (list []T, err error) {
	found, err := from.Find(ctx, filter, o)
	if err != nil {
		return nil, readFault(op, err)
	}
	err = found.All(ctx, &list)
	return list, readFault(op, err)
}
