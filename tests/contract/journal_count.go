package contract

import (
	"fmt"
	"testing"
	"time"

	"patchbay/ports"
)

const countLimit = 5

// flagged saves a record with a flag.
func flagged(t *testing.T, j ports.Journal, id, flag string, since time.Time) ports.Record {
	t.Helper()
	r := record(id)
	r.Index.Flag, r.Index.Flagged = flag, since
	save(t, j, &r)
	return r
}

// counted returns the counts as text; times are relative to day.
func counted(t *testing.T, j ports.Journal, sets ...ports.Set) (all []string) {
	t.Helper()
	counts, err := j.Count(t.Context(), countLimit, sets...)
	if err != nil || len(counts) != len(sets) {
		t.Fatalf("%d counts of %d sets, %v", len(counts), len(sets), err)
	}
	for _, c := range counts {
		if c.First.IsZero() {
			all = append(all, fmt.Sprint(c.N))
		} else {
			all = append(all, fmt.Sprintf("%d from %s", c.N, c.First.Sub(day)))
		}
	}
	return all
}

func wantCounted(t *testing.T, j ports.Journal, want string, sets ...ports.Set) {
	t.Helper()
	if got := fmt.Sprint(counted(t, j, sets...)); got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}

func countsWaiting(t *testing.T, j ports.Journal) {
	sets := []ports.Set{{Queue: queue}, {Queue: "another"}, {Queue: "nobody's"}}
	wantCounted(t, j, "[0 0 0]", sets...)
	waiting(t, j, "second", day.Add(2*time.Minute))
	waiting(t, j, "first", day.Add(time.Minute+time.Microsecond))
	of := record("of another tenant and kind")
	of.Tenant, of.Kind, of.Queue, of.Due = other, "another kind", queue, day.Add(time.Hour)
	elsewhere := record("elsewhere")
	elsewhere.Queue, elsewhere.Due = "another", day
	idle := record("idle")
	save(t, j, &of)
	save(t, j, &elsewhere)
	save(t, j, &idle)
	wantCounted(t, j, "[3 from 1m0.000001s 1 from 0s 0]", sets...)

	claimed := claim(t, j, "me", long, 1)[0].Record
	wantCounted(t, j, "[3 from 2m0s]", sets[0]) // a claimed record is due when its lease ends
	claimed.Queue, claimed.Owner, claimed.Due = "", "", time.Time{}
	save(t, j, &claimed)
	wantCounted(t, j, "[2 from 2m0s]", sets[0])
}

func countsFlagged(t *testing.T, j ports.Journal) {
	open, done, theirs := ports.Set{Kind: kind, Flag: "open"}, ports.Set{Kind: kind, Flag: "done"}, ports.Set{Kind: "another kind", Flag: "open"}
	idle := record("idle")
	save(t, j, &idle)
	wantCounted(t, j, "[0 0 0]", open, done, theirs)
	later := flagged(t, j, "later", "open", day.Add(2*time.Minute))
	first := flagged(t, j, "first", "open", day.Add(time.Minute))
	flagged(t, j, "done", "done", day)
	of := record("of another tenant")
	of.Tenant, of.Index.Flag, of.Index.Flagged = other, "open", day.Add(time.Hour)
	kinds := record("of another kind")
	kinds.Kind, kinds.Index.Flag, kinds.Index.Flagged = "another kind", "open", day.Add(-time.Hour)
	save(t, j, &of)
	save(t, j, &kinds)
	wantCounted(t, j, "[3 from 1m0s 1 from 0s 1 from -1h0m0s]", open, done, theirs)

	if got := get(t, j, "first").Index; got != first.Index {
		t.Errorf("read as %+v", got)
	}
	page, err := j.List(t.Context(), tenant, kind, ports.Filter{}, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		if r.ID == "first" && r.Index != first.Index {
			t.Errorf("listed as %+v", r.Index)
		}
	}
	first.Index.Flag, first.Index.Flagged = "", time.Time{}
	save(t, j, &first)
	later.Index.Flag = "done"
	save(t, j, &later)
	wantCounted(t, j, "[1 from 1h0m0s 2 from 0s]", open, done)
}

// A count stops at countLimit, so that its cost is bounded in a long queue.
func countsSoFar(t *testing.T, j ports.Journal) {
	for i := range countLimit + 2 {
		due := day.Add(-time.Duration(i) * time.Minute)
		waiting(t, j, fmt.Sprint("waits", i), due)
		flagged(t, j, fmt.Sprint("is flagged", i), "open", due)
	}
	wantCounted(t, j, "[5 from -6m0s 5 from -6m0s]", ports.Set{Queue: queue}, ports.Set{Kind: kind, Flag: "open"})
}
