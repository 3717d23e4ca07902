package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"patchbay/core/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date. It refuses a file of a newer version, whose tables
// it would not understand, a file of another program, and, if the store must exist, a file
// without tables.
func migrate(ctx context.Context, db *sql.DB, existing bool) error {
	if err := foreign(ctx, db, existing); err != nil {
		return err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fault.Wrap(fault.Internal, "sqlitestore.migrate", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return classify("sqlitestore.migrate", err)
	}
	stored, err := p.GetDBVersion(ctx)
	if err != nil {
		return classify("sqlitestore.migrate", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; stored > newest {
		return fault.New(fault.Invalid, "store_newer", fmt.Sprintf(
			"the database has version %d, this program knows only up to %d: run a newer program", stored, newest))
	}
	if _, err := p.Up(ctx); err != nil {
		return classify("sqlitestore.migrate", err)
	}
	return nil
}

// foreign refuses a file with tables of another program, or without tables if the store
// must exist.
func foreign(ctx context.Context, db *sql.DB, existing bool) error {
	var tables, columns int
	err := db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'),
		(SELECT count(*) FROM pragma_table_info('record') WHERE name IN ('kind', 'tenant', 'id', 'rev', 'idem', 'queue', 'due', 'body'))`).
		Scan(&tables, &columns)
	if err == nil && tables > 0 && columns < 8 {
		return fault.New(fault.Invalid, "store_foreign", "the file is the database of another program")
	}
	if err == nil && tables == 0 && existing {
		return errNoStore
	}
	return classify("sqlitestore.migrate", err)
}
