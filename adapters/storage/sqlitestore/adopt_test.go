package sqlitestore_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/adapters/storage/sqlitestore"
	"patchbay/core/fault"
	"patchbay/tests/adopted"
)

// version4 makes a file as the last program with several migrations has left it.
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

func TestAStoreOfTheProgramBeforeIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	path := version4(t)
	before := columns(t, path)
	s := open(t, path)
	adopted.Check(t, s, s.Users())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	made := place(t)
	if err := open(t, made).Close(); err != nil {
		t.Fatal(err)
	}
	if after, fresh := columns(t, path), columns(t, made); after != before || after != fresh {
		t.Errorf("columns and indexes: got\n%s\nwere\n%s\nof a new store\n%s", after, before, fresh)
	}
}

func TestAStoreOfAnOlderVersionIsRefused(t *testing.T) {
	t.Parallel()
	path := version4(t, `DELETE FROM goose_db_version WHERE version_id = 4`)
	before := columns(t, path)
	_, err := sqlitestore.Open(t.Context(), sqlitestore.Options{Path: path, Clock: clock.System{}, IDs: ids.UUIDs{}})
	if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Code != "store_older" || !strings.Contains(f.Message, "86a7f45") {
		t.Errorf("got %v, want store_older with the program to start first", err)
	}
	if after := columns(t, path); after != before {
		t.Errorf("the tables were changed to\n%s", after)
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
