package sqlitestore_test

import (
	"fmt"
	"testing"
	"time"

	"patchbay/ports"
)

// A list searches an index for the records of a page, and sorts nothing.
func TestAListSearchesAnIndex(t *testing.T) {
	t.Parallel()
	const (
		byTerm = "SEARCH first USING PRIMARY KEY (of_kind=? AND of_tenant=? AND term=? AND %s(of_created,of_id)<(?,?))\n"
		more   = "SEARCH term EXISTS USING PRIMARY KEY (of_kind=? AND of_tenant=? AND term=? AND of_created=? AND of_id=?)\n"
		record = "SEARCH record USING INDEX sqlite_autoindex_record_1 (kind=? AND tenant=? AND id=?)"
	)
	s, now := fresh(t), time.Now()
	for _, tt := range []struct {
		name   string
		filter ports.Filter
		want   string
	}{
		{"all", ports.Filter{}, "SEARCH record USING INDEX record_list (kind=? AND tenant=? AND (created,id)<(?,?))"},
		{"between times", ports.Filter{From: now, Before: now}, "SEARCH record USING INDEX record_list (kind=? AND tenant=? AND created>? AND (created,id)<(?,?))"},
		{"a status", ports.Filter{Status: "open"}, "SEARCH record USING INDEX record_status (kind=? AND tenant=? AND status=? AND (created,id)<(?,?))"},
		{"a term", ports.Filter{Terms: []string{"a"}}, fmt.Sprintf(byTerm, "") + record},
		{"two terms", ports.Filter{Terms: []string{"a", "b"}}, fmt.Sprintf(byTerm, "") + more + record},
		{"a term and a status", ports.Filter{Terms: []string{"a"}, Status: "open"}, fmt.Sprintf(byTerm, "") + record},
		{
			"two terms, a customer and a time",
			ports.Filter{Terms: []string{"a", "b"}, Customer: "ada", From: now},
			fmt.Sprintf(byTerm, "of_created>? AND ") + more + record,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := s.Plan(t, tt.filter); got != tt.want {
				t.Errorf("plan:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// BenchmarkSave saves records of the size of an email, a hundred in a commit, without terms and with
// those of an email with one recipient and two tags; and then changes them.
func BenchmarkSave(b *testing.B) {
	const together = 100
	for _, terms := range [][]string{nil, {"recipient", "first tag", "second tag"}} {
		s, n := fresh(b), 0
		save := func(b *testing.B, records []*ports.Record) {
			b.Helper()
			for _, err := range s.Save(b.Context(), records...) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		records := func() []*ports.Record {
			all := make([]*ports.Record, together)
			for i := range all {
				n++
				all[i] = thing(fmt.Sprint("thing", n))
				all[i].Body = make([]byte, 1000)
				for _, term := range terms {
					all[i].Terms = append(all[i].Terms, fmt.Sprint(term, n%1000))
				}
			}
			return all
		}
		b.Run(fmt.Sprintf("insert with %d terms", len(terms)), func(b *testing.B) {
			for b.Loop() {
				save(b, records())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*together), "ns/record")
		})
		b.Run(fmt.Sprintf("change with %d terms", len(terms)), func(b *testing.B) {
			all := records()
			save(b, all)
			for _, r := range all {
				r.Terms = nil
			}
			for b.Loop() {
				save(b, all)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*together), "ns/record")
		})
	}
}
