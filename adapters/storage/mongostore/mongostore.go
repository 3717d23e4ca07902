// Package mongostore keeps the journal and the users in a MongoDB database, one document
// each. It needs no transactions, no change streams, and no index that is partial, compound
// and unique, or over an array: a standalone server suffices.
//
// A write returns when a majority has it in its journal on disk.
package mongostore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	"patchbay/adapters/storage/table"
	"patchbay/ports"
)

// Options configures Open.
type Options struct {
	Host               string
	Port               int
	Database           string
	Username, Password string        // of a user in the database admin; empty for no authentication
	URI                string        // instead of Host and Port, for tests
	TLS                *tls.Config   // nil for no TLS
	Min, Max           uint64        // connections; 0 for the driver's defaults
	Idle               time.Duration // how long a connection may be idle; 0 for ever
	Existing           bool          // only open an existing store; otherwise its indexes are created
	Timeout            time.Duration // of one call; 0 means 3 s
	Clock              ports.Clock   // for users; leases use the database's own clock
	IDs                ports.IDs
}

// Store is an open database. It implements ports.Journal and ports.Archive.
type Store struct {
	client                      *mongo.Client
	records, people, feed, ping *mongo.Collection
	users                       table.Users
	timeout                     time.Duration
}

// The timeouts of one call, as for every database: connectTimeout for server selection and
// connecting, queryTimeout for the whole call.
const (
	connectTimeout = 3 * time.Second
	queryTimeout   = 3 * time.Second
)

// Open connects, and creates missing indexes.
//
// NotFound with code no_store: the database is not a store yet, and must be one.
// Unavailable; Invalid with code store_newer: a newer version has used the database;
// with code store_older: only one that is too old has.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.URI == "" {
		o.URI = "mongodb://" + net.JoinHostPort(o.Host, strconv.Itoa(o.Port)) + "/"
	}
	o.Timeout = cmp.Or(o.Timeout, queryTimeout)
	settings := options.Client().ApplyURI(o.URI).
		SetServerSelectionTimeout(connectTimeout).SetConnectTimeout(connectTimeout).SetTimeout(o.Timeout).
		SetReadPreference(readpref.Primary()).SetRetryWrites(false).SetMaxConnIdleTime(o.Idle).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: new(true)}).
		SetLoggerOptions(options.Logger().SetSink(report{}))
	if o.TLS != nil {
		settings.SetTLSConfig(o.TLS)
	}
	if o.Password != "" {
		settings.SetAuth(options.Credential{Username: o.Username, Password: o.Password})
	}
	if o.Max > 0 {
		settings.SetMinPoolSize(o.Min).SetMaxPoolSize(o.Max)
	}
	client, err := mongo.Connect(ctx, settings)
	if err != nil {
		return nil, readFault("mongostore.open", err)
	}
	db := client.Database(o.Database)
	s := &Store{client: client, timeout: o.Timeout}
	s.users = table.Users{UserTable: people{s}, Clock: o.Clock, IDs: o.IDs}
	if err := s.migrate(ctx, db, o.Existing); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// Close closes the connections after the calls in progress are answered.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
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
