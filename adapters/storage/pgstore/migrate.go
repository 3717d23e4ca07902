package pgstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"patchbay/core/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrating is the lock that lets one process at a time change the tables.
const migrating = 0x7061746368626179 // "patchbay"

// migrationsTable records which migrations were done. Its name and those of all tables are
// specific to this program, because other programs use goose, too.
const migrationsTable = "patchbay_migrations"

// migrate brings the tables up to date. If the store must exist, it requires existing
// tables. The lock belongs to a transaction that stays open meanwhile, because a lock of a
// session would not work behind PgBouncer.
func migrate(ctx context.Context, pool *pgxpool.Pool, existing bool) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return readFault("pgstore.migrate", err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it has only the lock
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrating)); err != nil {
		return readFault("pgstore.migrate", err)
	}
	ours, err := adopt(ctx, pool)
	if err != nil {
		return err
	}
	if existing && !ours {
		return fault.New(fault.NotFound, "no_store", "there is no store")
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fault.Wrap(fault.Internal, "pgstore.migrate", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() //nolint:errcheck // the pool stays
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithTableName(migrationsTable))
	if err != nil {
		return readFault("pgstore.migrate", err)
	}
	stored, err := p.GetDBVersion(ctx)
	if err != nil {
		return readFault("pgstore.migrate", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; stored > newest {
		return fault.New(fault.Invalid, "store_newer", fmt.Sprintf(
			"the database has version %d, this program knows only up to %d: run a newer program", stored, newest))
	}
	_, err = p.Up(ctx)
	return readFault("pgstore.migrate", err)
}
