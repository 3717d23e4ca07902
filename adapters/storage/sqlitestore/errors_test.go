package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"patchbay/core/fault"
)

func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "errors.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	run := func(query string, args ...any) error {
		_, err := db.ExecContext(t.Context(), query, args...)
		return err
	}
	for _, query := range []string{`CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)`, `INSERT INTO t VALUES (1, x'00')`} {
		if err := run(query); err != nil {
			t.Fatal(err)
		}
	}
	duplicate := run(`INSERT INTO t VALUES (1, x'00')`)
	wrong := run(`SELECT nonsense FROM nowhere`)
	mismatch := run(`INSERT INTO t VALUES ('x', x'00')`)
	if err := run(`PRAGMA max_page_count = 3`); err != nil {
		t.Fatal(err)
	}
	full := run(`INSERT INTO t VALUES (2, zeroblob(1000000))`)
	if err := run(`PRAGMA query_only = 1`); err != nil {
		t.Fatal(err)
	}
	readOnly := run(`INSERT INTO t VALUES (3, x'00')`)
	for name, tt := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"a duplicate value":        {duplicate, fault.Conflict},
		"a wrong statement":        {wrong, fault.Internal},
		"a value of another type":  {mismatch, fault.Invalid},
		"a full disk":              {full, fault.Unavailable},
		"a disk that is read-only": {readOnly, fault.Unavailable},
		"no row":                   {fmt.Errorf("scan: %w", sql.ErrNoRows), fault.NotFound},
		"a context that ended":     {context.DeadlineExceeded, fault.Unavailable},
		"an error of another type": {errors.New("other"), fault.Unavailable},
	} {
		if tt.err == nil {
			t.Errorf("%s: error = nil, want one", name)
		} else if got := kindOf(tt.err); got != tt.want {
			t.Errorf("%s: kind = %s, want %s (%v)", name, got, tt.want, tt.err)
		}
	}
}
