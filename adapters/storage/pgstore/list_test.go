package pgstore_test

import (
	"strings"
	"testing"
	"time"

	"patchbay/ports"
	"patchbay/tests/postgres"
)

// A list by terms goes through the records that have the first one, in their order, and looks up each.
// That is so whether or not PostgreSQL knows how many there are.
func TestAListByTermsReadsNoOtherRecords(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	database := server.Database(t)
	s, now := open(t, server, database), time.Now()
	const many = `INSERT INTO patchbay_record (kind, tenant, id, rev, status, customer, created, due, owner, body, terms)
		SELECT 'thing', 't', 'id' || n, 1, 'open', '', n, 0, '', 'body', '["common", "own' || n || '"]' FROM generate_series(1, 5000) AS n`
	for _, step := range []struct{ name, statement string }{{"empty", `SELECT`}, {"not analyzed", many}, {"analyzed", `ANALYZE`}} {
		server.Exec(t, database, "%s", step.statement)
		for name, f := range map[string]ports.Filter{
			"a rare term":         {Terms: []string{"own7"}},
			"a common term":       {Terms: []string{"common"}},
			"two terms":           {Terms: []string{"common", "own7"}},
			"a term and a status": {Terms: []string{"common"}, Status: "failed"},
			"a term and times":    {Terms: []string{"common"}, From: now.Add(-time.Hour), Before: now},
		} {
			plan := s.Plan(t, "t", "thing", f)
			for _, want := range []string{"Index Only Scan Backward using patchbay_term_pkey on patchbay_term first", "Index Cond: (ROW(kind, tenant, id) >= ROW(first.of_kind, first.of_tenant, first.of_id))"} {
				if !strings.Contains(plan, want) {
					t.Errorf("%s, %s: plan:\n%s\nwant %q in it", step.name, name, plan, want)
				}
			}
			if n := strings.Count(plan, "Scan using") + strings.Count(plan, "Scan Backward using") + strings.Count(plan, "Seq Scan"); n != len(f.Terms)+1 {
				t.Errorf("%s, %s: plan:\n%s\nreads %d tables, want %d: one for each term, and the records", step.name, name, plan, n, len(f.Terms)+1)
			}
		}
	}
}
