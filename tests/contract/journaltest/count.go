package journaltest

import (
	"fmt"
	"testing"
	"time"

	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
)

// flagged saves a record with a flag.
func flagged(t *testing.T, j ports.Journal, id, flag string, since time.Time) ports.Record {
	t.Helper()
	r := fixture.Record(id)
	r.Index.Flag, r.Index.Flagged = flag, since
	fixture.Save(t, j, &r)
	return r
}

func countsWaiting(t *testing.T, j ports.Journal) {
	sets := []ports.Set{{Queue: fixture.Queue}, {Queue: "another"}, {Queue: "nobody's"}}
	fixture.WantCounted(t, j, "[0 0 0]", sets...)
	fixture.Enqueue(t, j, "second", fixture.Day.Add(2*time.Minute))
	fixture.Enqueue(t, j, "first", fixture.Day.Add(time.Minute+time.Microsecond))
	of := fixture.Record("of another tenant and kind")
	of.Tenant, of.Kind, of.Queue, of.Due = fixture.Other, "another kind", fixture.Queue, fixture.Day.Add(time.Hour)
	elsewhere := fixture.Record("elsewhere")
	elsewhere.Queue, elsewhere.Due = "another", fixture.Day
	idle := fixture.Record("idle")
	fixture.Save(t, j, &of)
	fixture.Save(t, j, &elsewhere)
	fixture.Save(t, j, &idle)
	fixture.WantCounted(t, j, "[3 from 1m0.000001s 1 from 0s 0]", sets...)

	claimed := fixture.Claim(t, j, "me", fixture.Lease, 1)[0].Record
	fixture.WantCounted(t, j, "[3 from 2m0s]", sets[0]) // a claimed record is due when its lease ends
	claimed.Queue, claimed.Owner, claimed.Due = "", "", time.Time{}
	fixture.Save(t, j, &claimed)
	fixture.WantCounted(t, j, "[2 from 2m0s]", sets[0])
}

func countsFlagged(t *testing.T, j ports.Journal) {
	open, done, theirs := ports.Set{Kind: fixture.Kind, Flag: "open"}, ports.Set{Kind: fixture.Kind, Flag: "done"}, ports.Set{Kind: "another kind", Flag: "open"}
	idle := fixture.Record("idle")
	fixture.Save(t, j, &idle)
	fixture.WantCounted(t, j, "[0 0 0]", open, done, theirs)
	last := flagged(t, j, "later", "open", fixture.Day.Add(2*time.Minute))
	first := flagged(t, j, "first", "open", fixture.Day.Add(time.Minute))
	flagged(t, j, "done", "done", fixture.Day)
	of := fixture.Record("of another tenant")
	of.Tenant, of.Index.Flag, of.Index.Flagged = fixture.Other, "open", fixture.Day.Add(time.Hour)
	kinds := fixture.Record("of another kind")
	kinds.Kind, kinds.Index.Flag, kinds.Index.Flagged = "another kind", "open", fixture.Day.Add(-time.Hour)
	fixture.Save(t, j, &of)
	fixture.Save(t, j, &kinds)
	fixture.WantCounted(t, j, "[3 from 1m0s 1 from 0s 1 from -1h0m0s]", open, done, theirs)

	if got := fixture.Get(t, j, "first").Index; got != first.Index {
		t.Errorf("read as %+v, want %v", got, first.Index)
	}
	page, err := j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		if r.ID == "first" && r.Index != first.Index {
			t.Errorf("listed: got index %+v, want %+v", r.Index, first.Index)
		}
	}
	first.Index.Flag, first.Index.Flagged = "", time.Time{}
	fixture.Save(t, j, &first)
	last.Index.Flag = "done"
	fixture.Save(t, j, &last)
	fixture.WantCounted(t, j, "[1 from 1h0m0s 2 from 0s]", open, done)
}

// A count stops at fixture.CountLimit, so that its cost is bounded in a long queue.
func countIsBounded(t *testing.T, j ports.Journal) {
	for i := range fixture.CountLimit + 2 {
		due := fixture.Day.Add(-time.Duration(i) * time.Minute)
		fixture.Enqueue(t, j, fmt.Sprint("waits", i), due)
		flagged(t, j, fmt.Sprint("is flagged", i), "open", due)
	}
	fixture.WantCounted(t, j, "[5 from -6m0s 5 from -6m0s]", ports.Set{Queue: fixture.Queue}, ports.Set{Kind: fixture.Kind, Flag: "open"})
}
