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

// migrate brings the tables up to date. It refuses a file of a newer version,
// whose tables it would not understand.
func migrate(ctx context.Context, db *sql.DB) error {
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
