package sqlitestore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
)

// databaseOf makes a SQLite file by executing statements. If it is hot, the file and its log are
// those of a process that was killed.
func databaseOf(t *testing.T, hot bool, statements ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "theirs.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if !hot {
		return path
	}
	killed := filepath.Join(t.TempDir(), "theirs.db")
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(killed+suffix, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return killed
}

func TestAFileOfAnotherProgramIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	const (
		record   = `CREATE TABLE record (kind, tenant, id, rev, idem, queue, due, body)`
		versions = `CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id INTEGER, is_applied INTEGER, tstamp TIMESTAMP)`
		notes    = `CREATE TABLE notes (a)`
		wal      = `PRAGMA journal_mode = WAL`
	)
	for name, c := range map[string]struct {
		hot        bool
		statements []string
	}{
		"with a rollback journal":              {false, []string{notes, `INSERT INTO notes VALUES (1)`}},
		"with a log":                           {false, []string{wal, notes}},
		"with a log that holds all its tables": {true, []string{wal, `PRAGMA wal_autocheckpoint = 0`, notes}},
		"with tables of our names, and versions of its own": {false, []string{
			`CREATE TABLE record (id INTEGER PRIMARY KEY, artist TEXT)`, versions,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (4, 1)`,
		}},
		"with our table of records without versions":                        {false, []string{record}},
		"with our table of records and no script executed":                  {false, []string{record, versions, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`}},
		"with our table of records and a table of versions of another form": {false, []string{record, `CREATE TABLE goose_db_version (v)`}},
		"with a view of our name":                                           {false, []string{`CREATE VIEW record AS SELECT 1 AS id`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := databaseOf(t, c.hot, c.statements...)
			snapshot := path + ".snapshot-1" // a file of theirs that is called as ours are
			if err := os.WriteFile(snapshot, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			before := contents(t, path)
			_, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
			if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "store_foreign" {
				t.Errorf("Open: error = %v, want kind %s, code store_foreign", err, fault.Invalid)
			}
			for file, want := range before {
				if got := contents(t, path)[file]; got != want {
					t.Errorf("%s has changed, want it as before", filepath.Base(file))
				}
			}
		})
	}
}

// A process that is killed during its first start leaves such files.
func TestAFileWithoutTablesBecomesAStore(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"nothing but a log": {`PRAGMA journal_mode = WAL`},
		"nothing but a table of versions": {
			`CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			put(t, open(t, databaseOf(t, false, statements...)), "a")
		})
	}
}

// All that a process which was killed has committed may be in its log.
func TestAStoreWhoseTablesAreInItsLogIsOpened(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/version4.sql")
	if err != nil {
		t.Fatal(err)
	}
	put(t, open(t, databaseOf(t, true, `PRAGMA journal_mode = WAL`, `PRAGMA wal_autocheckpoint = 0`, string(raw))), "a")
}

// contents returns the files whose names begin with that of a database, but for those that SQLite
// and the lock of a store need beside it.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	all, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, file := range all {
		if strings.HasSuffix(file, "-shm") || strings.HasSuffix(file, ".lock") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[file] = string(raw)
	}
	return files
}
