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
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/provider"
	"patchbay/adapters/storage/table"
	"patchbay/config/setting"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// acquireTimeout is how long a call waits for a connection, if all are in use.
const acquireTimeout = time.Second

// A connection is closed after maxLifetime plus up to maxLifetimeJitter, so that not all are
// reopened at once. The address may lead to another server by then.
const maxLifetime, maxLifetimeJitter = 10 * time.Minute, 2 * time.Minute

// Store is an open database. It implements ports.Journal and ports.Archive.
type Store struct {
	connections
	archive connections // for calls that move much data, and that no client waits for
	users   table.Users

	// The most frequent calls share statements.
	userReads   gather[userID, user.User]
	userInserts gather[*newUser, bool]
	recordReads gather[recordID, ports.Record]
	recordSaves gather[*change, bool]
}

// Open connects, and brings the tables up to date: one process at a time, while others
// wait. The Settings are a *setting.Database. The Clock is for users only: leases use the
// database's own clock.
//
// NotFound with code no_store: the database is not a store yet, and must be one.
// Unavailable; Unauthorized; Invalid with code store_newer: the tables were created by a
// newer version; with code store_older: by one that is too old.
func Open(ctx context.Context, e provider.Environment) (*Store, error) {
	c, err := poolConfig(e.Settings.(*setting.Database))
	if err != nil {
		return nil, err
	}
	if c.ConnConfig.DefaultQueryExecMode, err = execMode(ctx, c.ConnConfig); err != nil {
		return nil, readFault("pgstore.open", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, readFault("pgstore.open", err)
	}
	if err := migrate(ctx, pool, e.Existing); err != nil {
		pool.Close()
		return nil, err
	}
	s := &Store{
		connections: connections{pool, acquireTimeout, table.QueryTimeout},
		archive:     connections{pool, table.ArchiveTimeout, table.ArchiveTimeout},
	}
	s.users = table.Users{UserTable: userTable{s}, Clock: e.Clock, IDs: e.IDs}
	s.userReads = gather[userID, user.User]{alone: s.findUser, together: s.findUsers, abandoned: fault.Unavailable, lanes: lanes}
	s.recordReads = gather[recordID, ports.Record]{alone: s.getRecord, together: s.getRecords, abandoned: fault.Unavailable, lanes: lanes}
	s.userInserts = gather[*newUser, bool]{alone: s.createUser, together: s.createUsers, abandoned: fault.UnknownOutcome, lanes: lanes}
	s.recordSaves = gather[*change, bool]{alone: s.saveRecord, together: s.saveRecords, abandoned: fault.UnknownOutcome, lanes: lanes}
	return s, nil
}

// Close closes the connections after the calls in progress are answered.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Users returns the store as a repository of users.
func (s *Store) Users() ports.UserRepository { return s.users }

// connections runs calls on the connections of a pool.
type connections struct {
	pool           *pgxpool.Pool
	acquire, query time.Duration // the timeouts: for a connection, and for the call itself
}

// with runs one call with a connection. Its error is Unavailable if no connection is
// available: nothing was sent.
//
// An error that means that the server does not, or will soon not, accept writes closes all
// connections: after a failover the old server may stay up, and would refuse each write and
// answer reads with old data. Connections in use are closed when they are returned.
func (p *connections) with(ctx context.Context, op string, call func(ctx context.Context, c *pgxpool.Conn) error) error {
	acquiring, cancel := context.WithTimeout(ctx, p.acquire)
	defer cancel()
	c, err := p.pool.Acquire(acquiring)
	if err != nil {
		return fault.Wrap(fault.Unavailable, op, err)
	}
	defer c.Release()
	ctx, cancel = context.WithTimeout(ctx, p.query)
	defer cancel()
	err = call(ctx, c)
	if readOnly(err) {
		p.pool.Reset()
	}
	return err
}

// row reads one row with a function of its own.
func (p *connections) row(ctx context.Context, op, query string, args []any, scan func(pgx.Row) error) error {
	return p.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return readFault(op, scan(c.QueryRow(ctx, query, args...)))
	})
}

// readOne reads one row.
func readOne[T any](ctx context.Context, s *Store, op, query string, scan func(row table.Row, more ...any) (T, error), args ...any) (found T, err error) {
	err = s.row(ctx, op, query, args, func(row pgx.Row) (err error) {
		found, err = scan(row)
		return err
	})
	return found, err
}

// rows reads any number of rows.
func (p *connections) rows(ctx context.Context, op, query string, args []any, scan func(pgx.Rows) error) error {
	return p.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
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
func (p *connections) write(ctx context.Context, op, query string, args ...any) (n int64, err error) {
	err = p.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault(op, c.QueryRow(ctx, query, args...).Scan(&n))
	})
	return n, err
}
