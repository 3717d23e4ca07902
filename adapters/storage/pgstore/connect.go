package pgstore

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settings returns the settings of the pool and its connections.
func settings(o Options) (*pgxpool.Config, error) {
	c, err := bare()
	if err != nil {
		return nil, err
	}
	conn := c.ConnConfig
	conn.Host, conn.Port, conn.Database, conn.User, conn.Password = o.Host, o.Port, o.Database, o.Username, o.Password
	conn.TLSConfig, conn.Fallbacks, conn.ConnectTimeout = o.TLS, nil, connectTimeout
	// Texts are sent and read as UTF-8, whatever the default of the database or the role
	// is.
	conn.RuntimeParams = map[string]string{"application_name": "patchbay", "client_encoding": "UTF8"}
	// A read-only server is not the primary, also if the host name stands for several
	// servers.
	conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c.MinConns, c.MaxConns, c.MaxConnIdleTime = o.Min, max(o.Max, 1), o.Idle
	c.MaxConnLifetime, c.MaxConnLifetimeJitter = longest, spread
	c.PingTimeout = acquireTimeout
	return c, nil
}

var parsing sync.Mutex

// bare returns the settings of a connection without any environment. pgx creates settings
// only by reading the variables that psql reads (PGHOST, PGSERVICE, PGTARGETSESSIONATTRS)
// and files in the home directory, some of which cannot be overridden. bare therefore
// removes the variables while pgx reads them, and tells it that there are no files.
func bare() (*pgxpool.Config, error) {
	parsing.Lock()
	defer parsing.Unlock()
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "PG") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
		defer os.Setenv(name, value) //nolint:errcheck // it was set
	}
	return pgxpool.ParseConfig("host=127.0.0.1 user=none password=none passfile='' sslmode=disable sslrootcert='' sslcert='' sslkey=''")
}

// mode determines how statements are sent. A server that is reached directly keeps them
// prepared by name, and does not plan them each time. A pooler assigns another server to
// each transaction, where the name would be unknown, so there they are only described once.
//
// A pooler is detected by comparing the process id sent when a connection is opened, which
// a pooler invents, with that of the process that executes a query.
func mode(ctx context.Context, config *pgx.ConnConfig) (pgx.QueryExecMode, error) {
	conn := config.Copy()
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec
	c, err := pgx.ConnectConfig(ctx, conn)
	if err != nil {
		return 0, err
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its answer is known
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var process int64
	err = c.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&process)
	if err == nil && process == int64(c.PgConn().PID()) {
		return pgx.QueryExecModeCacheStatement, nil
	}
	return pgx.QueryExecModeCacheDescribe, err
}
