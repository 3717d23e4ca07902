package contract

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

func listed(t *testing.T, j ports.Journal, f ports.Filter, cursor string, limit int) (names []string, next string) {
	t.Helper()
	page, err := j.List(t.Context(), tenant, kind, f, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		names = append(names, r.ID)
	}
	return names, page.Next
}

func listFiltered(t *testing.T, j ports.Journal) {
	for i, c := range []struct{ id, status, customer string }{
		{"a", "open", "ada"}, {"b", "done", "ada"}, {"c", "open", "eve"}, {"d", "open", ""},
	} {
		r := record(c.id)
		r.Index = ports.Index{Status: c.status, Customer: c.customer, Created: day.Add(time.Duration(i/2) * time.Second)}
		save(t, j, &r)
	}
	for filter, want := range map[ports.Filter]string{
		{}:                                "[d c b a]",
		{Status: "open"}:                  "[d c a]",
		{Customer: "ada"}:                 "[b a]",
		{Status: "open", Customer: "ada"}: "[a]",
		{Status: "lost"}:                  "[]",
	} {
		if names, next := listed(t, j, filter, "", 10); fmt.Sprint(names) != want || next != "" {
			t.Errorf("%+v: %v, next %q; want %s", filter, names, next, want)
		}
	}
}

func listGoesOn(t *testing.T, j ports.Journal) {
	for i := range 7 {
		r := record(fmt.Sprint("r", i))
		r.Index.Created = day.Add(time.Duration(i/3) * time.Microsecond) // several with the same time
		save(t, j, &r)
	}
	var seen []string
	for cursor := ""; ; {
		names, next := listed(t, j, ports.Filter{}, cursor, 3)
		seen = append(seen, names...)
		newer := record(fmt.Sprint("newer", len(seen)))
		newer.Index.Created = day.Add(time.Hour)
		save(t, j, &newer)
		if cursor = next; cursor == "" {
			break
		}
	}
	if want := []string{"r6", "r5", "r4", "r3", "r2", "r1", "r0"}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}

func badCursor(t *testing.T, j ports.Journal) {
	for _, cursor := range []string{"nonsense", "1", ".", "1.", ".x", "-.-", "' OR 1=1 --"} {
		if _, err := j.List(t.Context(), tenant, kind, ports.Filter{}, cursor, 3); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

// publish moves all events to the feed, from several goroutines at once.
func publish(t *testing.T, j ports.Journal) {
	t.Helper()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				moved, err := j.Publish(t.Context(), 4)
				if err != nil && !fault.Is(err, fault.Conflict) {
					t.Error(err)
					return
				}
				if moved == 0 && err == nil {
					return
				}
			}
		})
	}
	all.Wait()
}

func feed(t *testing.T, j ports.Journal, tenant string) (events []event.Event) {
	t.Helper()
	for after := int64(0); ; {
		part, err := j.Feed(t.Context(), tenant, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) == 0 {
			return events
		}
		events = append(events, part...)
		after = part[len(part)-1].Seq
	}
}

func feedGapless(t *testing.T, j ports.Journal) {
	const writers, each = 5, 3
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			r := record(fmt.Sprint("r", w))
			for n := range each {
				r.Events = []event.Event{note(tenant, r.ID, 2*n), note(tenant, r.ID, 2*n+1)}
				if err := j.Save(t.Context(), &r)[0]; err != nil {
					t.Error(err)
					return
				}
				// The next save must not publish the same events again.
				r.Events = nil
				if err := j.Save(t.Context(), &r)[0]; err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	publishing := make(chan struct{})
	go func() { defer close(publishing); publish(t, j) }()
	all.Wait()
	<-publishing
	publish(t, j)

	events := feed(t, j, tenant)
	last := make(map[string]string)
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
		if e.Type != "thing.changed" || e.Tenant != tenant || !e.At.Equal(day) {
			t.Errorf("%+v", e)
		}
		last[e.Subject] += string(e.Data)
	}
	if len(events) != writers*each*2 {
		t.Errorf("%d events, want %d", len(events), writers*each*2)
	}
	for subject, data := range last {
		if data != `{"n":0}{"n":1}{"n":2}{"n":3}{"n":4}{"n":5}` {
			t.Errorf("%s: %s", subject, data)
		}
	}
}

func feedByTenant(t *testing.T, j ports.Journal) {
	for i, who := range []string{tenant, other, tenant} {
		r := record(fmt.Sprint("r", i))
		r.Tenant = who
		r.Events = []event.Event{note(who, r.ID, i)}
		save(t, j, &r)
	}
	publish(t, j)
	mine, theirs, all := feed(t, j, tenant), feed(t, j, other), feed(t, j, ports.AllTenants)
	if len(mine) != 2 || len(theirs) != 1 || theirs[0].Subject != "r1" {
		t.Errorf("%+v and %+v", mine, theirs)
	}
	if len(all) != 3 || all[1].Tenant != other || all[2].Seq != 3 {
		t.Errorf("of all tenants: %+v", all)
	}
}

func feedOnlySaved(t *testing.T, j ports.Journal) {
	a := record("a")
	save(t, j, &a)
	again := record("a")
	again.Events = []event.Event{note(tenant, "a", 1)}
	wantKind(t, j.Save(t.Context(), &again)[0], fault.Conflict)
	publish(t, j)
	if events := feed(t, j, tenant); len(events) != 0 {
		t.Errorf("%+v", events)
	}
}

// feedReread checks what cursors of the feed rely on: an event that has been read once is later
// found at the same position.
func feedReread(t *testing.T, j ports.Journal) {
	for i, who := range []string{tenant, other, tenant, other, tenant} {
		r := record(fmt.Sprint("r", i))
		r.Tenant, r.Events = who, []event.Event{note(who, r.ID, i)}
		save(t, j, &r)
	}
	publish(t, j)
	if n, err := j.Purge(t.Context(), tenant, kind, day.Add(time.Hour), 9); n != 3 || err != nil {
		t.Fatalf("%d purged, %v", n, err)
	}
	for _, of := range []string{tenant, other, ports.AllTenants} {
		all := feed(t, j, of)
		for i, e := range all {
			again, err := j.Feed(t.Context(), of, e.Seq-1, len(all)+1)
			if err != nil || len(again) != len(all)-i || again[0].Seq != e.Seq || again[0].ID != e.ID {
				t.Errorf("from %d: %+v, %v", e.Seq, again, err)
			}
		}
		last := all[len(all)-1].Seq
		if beyond, err := j.Feed(t.Context(), of, last, 2); err != nil || len(beyond) != 0 {
			t.Errorf("after the last: %+v, %v", beyond, err)
		}
	}
}
