// Package pgstore keeps the journal and the users in a PostgreSQL database, for one gateway
// or several.
//
// Each write is one statement, and so one commit and one round trip. Calls that arrive
// while others are in progress share a statement with others of their kind: see gather. The
// store keeps no state in a session, and prepares statements by name only if the server is
// reached directly, so it works behind PgBouncer in transaction mode.
package pgstore

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// The timeouts of one call.
const (
	connectTimeout = 3 * time.Second
	queryTimeout   = 3 * time.Second
	acquireTimeout = time.Second // for a connection, if all are in use
)

// A connection is closed after longest plus up to spread, so that not all are reopened at
// once. The address may lead to another server by then.
const longest, spread = 10 * time.Minute, 2 * time.Minute

// Options configures Open.
type Options struct {
	Host               string
	Port               uint16
	Database           string
	Username, Password string
	TLS                *tls.Config // nil for no TLS
	Min, Max           int32       // connections
	Idle               time.Duration
	Existing           bool        // only open an existing store; otherwise its tables are created
	Clock              ports.Clock // for users; leases use the database's own clock
	IDs                ports.IDs
}

// Store is an open database. It implements ports.Journal and ports.Archive.
type Store struct {
	pool  *pgxpool.Pool
	users table.Users

	// The most frequent calls share statements.
	found   gather[userID, user.User]
	created gather[*newUser, bool]
	kept    gather[recordID, ports.Record]
	saved   gather[*change, bool]
}

// Open connects, and brings the tables up to date: one process at a time, while others
// wait.
//
// NotFound with code no_store: the database is not a store yet, and must be one.
// Unavailable; Unauthorized; Invalid with code store_newer: the tables were created by a
// newer version; with code store_older: by one that is too old.
func Open(ctx context.Context, o Options) (*Store, error) {
	c, err := settings(o)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "pgstore.open", err)
	}
	if c.ConnConfig.DefaultQueryExecMode, err = mode(ctx, c.ConnConfig); err != nil {
		return nil, readFault("pgstore.open", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, readFault("pgstore.open", err)
	}
	if err := migrate(ctx, pool, o.Existing); err != nil {
		pool.Close()
		return nil, err
	}
	s := &Store{pool: pool}
	s.users = table.Users{UserTable: people{s}, Clock: o.Clock, IDs: o.IDs}
	s.found = gather[userID, user.User]{alone: s.findUser, together: s.findUsers, left: fault.Unavailable, lanes: lanes}
	s.kept = gather[recordID, ports.Record]{alone: s.getRecord, together: s.getRecords, left: fault.Unavailable, lanes: lanes}
	s.created = gather[*newUser, bool]{alone: s.createUser, together: s.createUsers, left: fault.UnknownOutcome, lanes: lanes}
	s.saved = gather[*change, bool]{alone: s.saveRecord, together: s.saveRecords, left: fault.UnknownOutcome, lanes: lanes}
	return s, nil
}

// Close closes the connections after the calls in progress are answered.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Users returns the store as a repository of users.
func (s *Store) Users() ports.UserRepository { return s.users }

// with runs one call with a connection. Its error is Unavailable if no connection is
// available: nothing was sent.
func (s *Store) with(ctx context.Context, op string, call func(ctx context.Context, c *pgxpool.Conn) error) error {
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	c, err := s.pool.Acquire(waiting)
	if err != nil {
		return fault.Wrap(fault.Unavailable, op, err)
	}
	defer c.Release()
	working, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return s.judged(call(working, c))
}

// judged closes all connections if an error means that the server does not, or will soon
// not, accept writes: after a failover the old server may stay up, and would refuse each
// write and answer reads with old data. Connections in use are closed when they are
// returned.
func (s *Store) judged(err error) error {
	if ousted(err) {
		s.pool.Reset()
	}
	return err
}

// row reads one row with a function of its own.
func (s *Store) row(ctx context.Context, op, query string, args []any, scan func(pgx.Row) error) error {
	return s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return readFault(op, scan(c.QueryRow(ctx, query, args...)))
	})
}

// one reads one row.
func one[T any](ctx context.Context, s *Store, op, query string, scan func(row table.Row, more ...any) (T, error), args ...any) (found T, err error) {
	err = s.row(ctx, op, query, args, func(row pgx.Row) (err error) {
		found, err = scan(row)
		return err
	})
	return found, err
}

// rows reads any number of rows.
func (s *Store) rows(ctx context.Context, op, query string, args []any, scan func(pgx.Rows) error) error {
	return s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return readFault(op, each(ctx, c, query, args, scan))
	})
}

func each(ctx context.Context, c *pgxpool.Conn, query string, args []any, scan func(pgx.Rows) error) error {
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// write executes one statement that changes data, and returns the number of rows.
func (s *Store) write(ctx context.Context, op, query string, args ...any) (n int64, err error) {
	err = s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault(op, c.QueryRow(ctx, query, args...).Scan(&n))
	})
	return n, err
}

// nothing reports whether an error means that there was no row.
func nothing(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
