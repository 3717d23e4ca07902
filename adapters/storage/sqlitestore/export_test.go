package sqlitestore

import (
	"strings"
	"sync/atomic"
	"testing"

	"modernc.org/sqlite"

	"patchbay/ports"
)

// Plan returns how SQLite reads a page of the records that a filter selects, a line for each table.
func (s *Store) Plan(t testing.TB, f ports.Filter) string {
	t.Helper()
	from, after, err := f.Range("")
	if err != nil {
		t.Fatal(err)
	}
	l := recordsOf("acme", "thing", f, from)
	l.continueAfter(after, 20)
	rows, err := s.reads.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+l.query, l.args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// CountCommits counts the commits from now on.
func (s *Store) CountCommits(t testing.TB) *atomic.Int64 {
	t.Helper()
	var commits atomic.Int64
	err := s.writer.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			commits.Add(1)
			return 0 // commit
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &commits
}
