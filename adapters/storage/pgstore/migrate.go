package pgstore

import (
	"context"
	"embed"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"patchbay/adapters/storage/table"
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
	return readFault("pgstore.migrate", pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrating)); err != nil {
			return err
		}
		// The tables of the first version had no prefix. Those of other programs may have the
		// same names.
		var ours, unprefixed bool
		err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, (SELECT count(*) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE c.oid = to_regclass('record') AND c.relkind = 'r' AND attname = ANY ('{kind,tenant,id,rev,idem,queue,due,body}')) = 8`,
			migrationsTable).Scan(&ours, &unprefixed)
		switch {
		case err != nil:
			return err
		case unprefixed && !ours:
			return table.WrongVersion(1, table.First)
		case existing && !ours:
			return table.ErrNoStore
		}
		db := stdlib.OpenDBFromPool(pool)
		defer db.Close() //nolint:errcheck // the pool stays
		return table.Migrate(ctx, goose.DialectPostgres, db, migrations, migrationsTable)
	}))
}
