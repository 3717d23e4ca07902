package sqlitestore

import (
	"context"
	"database/sql"
	"embed"

	"github.com/pressly/goose/v3"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date. It refuses a file of another program and, if the store
// must exist, a file without tables.
func migrate(ctx context.Context, db *sql.DB, existing bool) error {
	var tables, columns int
	err := db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'),
		(SELECT count(*) FROM pragma_table_info('record') WHERE name IN ('kind', 'tenant', 'id', 'rev', 'idem', 'queue', 'due', 'body'))`).
		Scan(&tables, &columns)
	switch {
	case err != nil:
		return classify("sqlitestore.migrate", err)
	case tables > 0 && columns < 8:
		return fault.New(fault.Invalid, "store_foreign", "the file is the database of another program")
	case tables == 0 && existing:
		return table.ErrNoStore
	}
	return classify("sqlitestore.migrate", table.Migrate(ctx, goose.DialectSQLite3, db, migrations, "goose_db_version"))
}
