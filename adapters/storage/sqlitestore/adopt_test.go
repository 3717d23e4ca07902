package sqlitestore_test

import (
	"context"
	"database/sql"
	"maps"
	"os"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/tests/adopted"
)

// version4 creates a file as the last program with several migrations has left it, and then executes
// further statements.
func version4(t *testing.T, more ...string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/version4.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := place(t)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range append([]string{string(raw)}, more...) {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAStoreOfVersion4IsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := version4(t)
	before := columns(t, path)
	s := open(t, path)
	adopted.Check(t, s, s.Users())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	created := place(t)
	if err := open(t, created).Close(); err != nil {
		t.Fatal(err)
	}
	after := columns(t, path)
	for line := range strings.Lines(before) {
		if !strings.Contains(after+"\n", line) {
			t.Errorf("of what was there %q is missing, want it kept", line)
		}
	}
	if want := columns(t, created); after != want {
		t.Errorf("columns and indexes: got\n%s\nwant those of a new store\n%s", after, want)
	}
}

func TestAStoreOfAnotherVersionIsRefusedUnchanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, code, message string }{ // message is a part of it
		"version 3, with store_older":   {`DELETE FROM goose_db_version WHERE version_id = 4`, "store_older", "86a7f45"},
		"version 999, with store_newer": {`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`, "store_newer", "version 999"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := version4(t, c.change)
			before := contents(t, path)
			_, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
			f := fault.From(err)
			if f.Kind != fault.Invalid || f.Code != c.code {
				t.Errorf("Open: error = %v, want kind %s, code %s", err, fault.Invalid, c.code)
			}
			if !strings.Contains(f.Message, c.message) {
				t.Errorf("message = %q, want %q in it", f.Message, c.message)
			}
			if after := contents(t, path); !maps.Equal(after, before) {
				t.Errorf("the files have changed, want them as before")
			}
		})
	}
}

// columns lists the columns and indexes of a file, whatever their order.
func columns(t *testing.T, path string) (all string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(context.Background(), `SELECT group_concat(line, char(10)) FROM (
		SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || c.pk AS line FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'
		UNION SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY line)`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
