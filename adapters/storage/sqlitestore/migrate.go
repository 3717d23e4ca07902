package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"net/url"

	"github.com/pressly/goose/v3"

	"patchbay/adapters/storage/table"
)

//go:embed migrations/*.sql
var migrations embed.FS

const versionsTable = "goose_db_version"

// inspect decides whether the file may be written to, and changes nothing in it. The caller holds
// the lock of the store.
func inspect(ctx context.Context, path string, existing bool) error {
	found, err := find(ctx, path)
	if err != nil {
		return classify("sqlitestore.inspect", err)
	}
	return found.Check(migrations, existing)
}

// find reads which tables a file has, and of which version.
func find(ctx context.Context, path string) (found table.Found, err error) {
	if !hasContent(path) {
		return found, nil
	}
	db, err := sql.Open("sqlite", readOnlyDSN(path))
	if err != nil {
		return found, err
	}
	defer db.Close() //nolint:errcheck // only read
	var columns, versions int
	err = db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) > 0 FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' AND name <> ?1),
		(SELECT count(*) FROM pragma_table_info('record') WHERE name IN ('kind', 'tenant', 'id', 'rev', 'idem', 'queue', 'due', 'body')),
		(SELECT count(*) FROM pragma_table_info(?1) WHERE name IN ('version_id', 'is_applied'))`, versionsTable).Scan(&found.Tables, &columns, &versions)
	if err == nil && columns == 8 && versions == 2 { // otherwise the versions are of another program's tables
		err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionsTable).Scan(&found.Version)
	}
	return found, err
}

// readOnlyDSN names a file so that reading it changes neither it nor its log. What a log beside it
// holds is part of the database. Without one the file is read as if it could not change: to read
// it in the usual way, SQLite would first make a log, or bring an unfinished write to its end.
func readOnlyDSN(path string) string {
	name := fmt.Sprintf("file:%s?_pragma=busy_timeout(10000)&mode=ro", (&url.URL{Path: path}).EscapedPath())
	if hasContent(path + "-wal") {
		return name
	}
	return name + "&immutable=1"
}

// migrate brings the tables of a file that inspect has accepted up to date.
func migrate(ctx context.Context, db *sql.DB) error {
	return classify("sqlitestore.migrate", table.Migrate(ctx, goose.DialectSQLite3, db, migrations, versionsTable))
}
