// Package mongostore keeps the journal and the users in a MongoDB, one document
// each. It asks for no transaction, no change stream and no index that is partial,
// compound and unique, or over an array: a standalone server does.
//
// A write is answered when a majority has it in its journal on disk.
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

	"patchbay/ports"
)

// Options says what to open.
type Options struct {
	Host               string
	Port               int
	Database           string
	Username, Password string        // of a user in the database admin; none where empty
	URI                string        // in place of Host and Port, for tests
	TLS                *tls.Config   // nil for none
	Min, Max           uint64        // connections; 0 for the driver's own
	Idle               time.Duration // how long one may be idle; 0 for ever
	Existing           bool          // only what is a store already; else its indexes are made
	Timeout            time.Duration // of one call; 3 s where 0
	Clock              ports.Clock   // of users; leases run by the database's own
	IDs                ports.IDs
}

// Store is an open database.
type Store struct {
	client                      *mongo.Client
	records, people, feed, ping *mongo.Collection
	clock                       ports.Clock
	ids                         ports.IDs
	timeout                     time.Duration
}

// The time-outs of one call, as for every database: the search for a server and
// the dial; and the whole of it.
const (
	connectTimeout = 3 * time.Second
	queryTimeout   = 3 * time.Second
)

// Open connects, and makes the indexes that are not there yet. NotFound with code
// no_store: the database is no store yet, and shall be one. Unavailable; Invalid
// with code store_newer: a newer version has been here.
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
	s := &Store{client: client, clock: o.Clock, ids: o.IDs, timeout: o.Timeout}
	if err := s.migrate(ctx, db, o.Existing); err != nil {
		return nil, errors.Join(err, client.Disconnect(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// Close ends the connections, once the calls under way are answered.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	return s.client.Disconnect(ctx)
}

// Users gives the store as a repository of users.
func (s *Store) Users() ports.UserRepository { return users{s} }

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

// all reads the documents that a filter selects.
func all[T any](ctx context.Context, from *mongo.Collection, op string, filter bson.D, o *options.FindOptions) (list []T, err error) {
	found, err := from.Find(ctx, filter, o)
	if err != nil {
		return nil, readFault(op, err)
	}
	err = found.All(ctx, &list)
	return list, readFault(op, err)
}
