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
// tables. Nothing is changed if the store is refused. The lock belongs to a transaction that
// stays open meanwhile, because a lock of a session would not work behind PgBouncer.
func migrate(ctx context.Context, pool *pgxpool.Pool, existing bool) error {
	return readFault("pgstore.migrate", pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrating)); err != nil {
			return err
		}
		found, err := find(ctx, tx)
		if err == nil {
			err = found.Check(migrations, existing)
		}
		if err != nil {
			return err
		}
		db := stdlib.OpenDBFromPool(pool)
		defer db.Close() //nolint:errcheck // the pool stays
		return table.Migrate(ctx, goose.DialectPostgres, db, migrations, migrationsTable)
	}))
}

// find reads which tables the database has, and of which version.
//
// The tables of the first two versions had no prefix. Those of other programs may have the same
// names, also the table of versions.
func find(ctx context.Context, tx pgx.Tx) (found table.Found, err error) {
	var ours, unprefixed, versions bool
	err = tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL,
		EXISTS (SELECT FROM unnest('{patchbay_record,patchbay_term,patchbay_told,patchbay_feed,patchbay_person,patchbay_ping}'::text[]) AS name WHERE to_regclass(name) IS NOT NULL),
		(SELECT count(*) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE c.oid = to_regclass('record') AND c.relkind = 'r' AND attname = ANY ('{kind,tenant,id,rev,idem,queue,due,body}')) = 8,
		(SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('goose_db_version') AND attname = ANY ('{version_id,is_applied}')) = 2`,
		migrationsTable).Scan(&ours, &found.Tables, &unprefixed, &versions)
	switch {
	case err != nil:
	case ours:
		err = tx.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+migrationsTable).Scan(&found.Version)
	case unprefixed && versions:
		err = tx.QueryRow(ctx, `SELECT coalesce(max(version_id), 1) FROM goose_db_version WHERE version_id IN (1, 2)`).Scan(&found.Version)
	case unprefixed:
		found.Version = 1
	}
	return found, err
}
