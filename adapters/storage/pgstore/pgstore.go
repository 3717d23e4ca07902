// Package pgstore keeps the journal and the users in a PostgreSQL database, for one
// gateway or several.
//
// Each write is one statement, and so one commit and one round trip. What comes in
// while others are under way shares a statement with others of its kind: see gather.
// No state is kept in a session, and no statement is prepared by name but where the
// server answers itself: it works behind PgBouncer in transaction mode.
package pgstore

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// The time-outs of one call.
const (
	connectTimeout = 3 * time.Second
	queryTimeout   = 3 * time.Second
	acquireTimeout = time.Second // of a connection, where all are in use
)

// A connection is closed after longest, and up to spread more, so that not all are made
// anew at once: what leads to the server may lead to another by then.
const longest, spread = 10 * time.Minute, 2 * time.Minute

// Options says what to open.
type Options struct {
	Host               string
	Port               uint16
	Database           string
	Username, Password string
	TLS                *tls.Config // nil for none
	Min, Max           int32       // connections
	Idle               time.Duration
	Existing           bool        // only what is a store already; else its tables are made
	Clock              ports.Clock // of users; leases run by the database's own
	IDs                ports.IDs
}

// Store is an open database.
type Store struct {
	clock ports.Clock
	ids   ports.IDs
	pool  *pgxpool.Pool

	// What is asked for most shares statements.
	found   gather[userID, user.User]
	created gather[newUser, bool]
	kept    gather[recordID, ports.Record]
	saved   gather[change, bool]
}

// Open connects, and brings the tables up to date: one process at a time, while
// others wait. NotFound with code no_store: the database is no store yet, and shall be
// one. Unavailable; Unauthorized; Invalid with code store_newer: the tables
// were made by a newer version.
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
	s := &Store{clock: o.Clock, ids: o.IDs, pool: pool}
	s.found = gather[userID, user.User]{alone: s.findUser, together: s.findUsers, left: fault.Unavailable, lanes: lanes}
	s.kept = gather[recordID, ports.Record]{alone: s.getRecord, together: s.getRecords, left: fault.Unavailable, lanes: lanes}
	s.created = gather[newUser, bool]{alone: s.createUser, together: s.createUsers, left: fault.UnknownOutcome, lanes: lanes}
	s.saved = gather[change, bool]{alone: s.saveRecord, together: s.saveRecords, left: fault.UnknownOutcome, lanes: lanes}
	return s, nil
}

// Close ends the connections, once the calls under way are answered.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Journal gives the store as a journal.
func (s *Store) Journal() ports.Journal { return journal{s} }

// Users gives the store as a repository of users.
func (s *Store) Users() ports.UserRepository { return users{s} }

// with lends a connection to one call. Its error is Unavailable where there is
// none to be had: nothing was sent.
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

// judged closes all connections where an error says that the server is not, or will not
// be, the one to write to: after a failover the old one may stay up, and would refuse
// each write and answer each read with what was. Those in use are closed when they are
// given back.
func (s *Store) judged(err error) error {
	if ousted(err) {
		s.pool.Reset()
	}
	return err
}

// row reads one row.
func (s *Store) row(ctx context.Context, op, query string, args []any, scan func(pgx.Row) error) error {
	return s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return readFault(op, scan(c.QueryRow(ctx, query, args...)))
	})
}

// rows reads many.
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

// write does one statement that changes something, and returns of how many rows.
func (s *Store) write(ctx context.Context, op, query string, args ...any) (n int64, err error) {
	err = s.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return writeFault(op, c.QueryRow(ctx, query, args...).Scan(&n))
	})
	return n, err
}

// micros is how times are stored: microseconds since 1970, 0 for no time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// nothing reports whether an error says that there was no row.
func nothing(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
