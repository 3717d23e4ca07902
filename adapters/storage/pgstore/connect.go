package pgstore

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/config/setting"
	"patchbay/core/fault"
)

// poolConfig returns the settings of the pool and its connections.
func poolConfig(d *setting.Database) (*pgxpool.Config, error) {
	secure, err := d.TLS()
	if err != nil {
		return nil, err
	}
	c, err := emptyConfig()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "pgstore.open", err)
	}
	conn := c.ConnConfig
	conn.Host, conn.Port, conn.Database, conn.User, conn.Password = d.Host, uint16(d.Port), d.Database, d.Username, d.Password.Reveal()
	conn.TLSConfig, conn.Fallbacks, conn.ConnectTimeout = secure, nil, table.ConnectTimeout
	// Texts are sent and read as UTF-8, whatever the default of the database or the role
	// is.
	conn.RuntimeParams = map[string]string{"application_name": "patchbay", "client_encoding": "UTF8"}
	// A read-only server is not the primary, also if the host name stands for several
	// servers.
	conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	c.MinConns, c.MaxConns, c.MaxConnIdleTime = int32(d.Pool.Min), int32(d.Pool.Max), time.Duration(d.Pool.Idle)
	c.MaxConnLifetime, c.MaxConnLifetimeJitter = maxLifetime, maxLifetimeJitter
	c.PingTimeout = acquireTimeout
	return c, nil
}

var parsing sync.Mutex

// emptyConfig returns the settings of a connection without any environment. pgx creates
// settings only by reading the variables that psql reads (PGHOST, PGSERVICE,
// PGTARGETSESSIONATTRS) and files in the home directory, some of which cannot be overridden.
// emptyConfig therefore removes the variables while pgx reads them, and names no files.
func emptyConfig() (*pgxpool.Config, error) {
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

// execMode determines how statements are sent. A server that is reached directly keeps them
// prepared by name, and does not plan them each time. A pooler assigns another server to
// each transaction, where the name would be unknown, so there they are only described once.
//
// A pooler is detected by comparing the process id sent when a connection is opened, which
// a pooler invents, with that of the process that executes a query.
func execMode(ctx context.Context, config *pgx.ConnConfig) (pgx.QueryExecMode, error) {
	conn := config.Copy()
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec
	c, err := pgx.ConnectConfig(ctx, conn)
	if err != nil {
		return 0, err
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its answer is known
	ctx, cancel := context.WithTimeout(ctx, table.QueryTimeout)
	defer cancel()
	var process int64
	err = c.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&process)
	if err == nil && process == int64(c.PgConn().PID()) {
		return pgx.QueryExecModeCacheStatement, nil
	}
	return pgx.QueryExecModeCacheDescribe, err
}
