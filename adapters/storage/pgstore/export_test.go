package pgstore

import (
	"testing"

	"patchbay/adapters/storage/table"
	"patchbay/ports"
)

// Plan returns how PostgreSQL reads a page of the records that a filter selects.
func (s *Store) Plan(t testing.TB, tenant, kind string, f ports.Filter) (plan string) {
	t.Helper()
	from, after, err := f.Range("")
	if err != nil {
		t.Fatal(err)
	}
	l := recordsOf(tenant, kind, f, from)
	l.args["created"], l.args["id"], l.args["limit"], l.args["size"] = after.Created, after.ID, 20, ports.PageBytes
	rows, err := s.pool.Query(t.Context(), "EXPLAIN (COSTS off) "+l.paged(table.ListedColumns, `octet_length(body)`), l.args)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan += line + "\n"
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
