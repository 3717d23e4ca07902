package journaltest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

func feedGapless(t *testing.T, j ports.Journal) {
	const writers, each = 5, 3
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			r := fixture.Record(fmt.Sprint("r", w))
			for n := range each {
				r.Events = []event.Event{fixture.Event(fixture.Tenant, r.ID, 2*n), fixture.Event(fixture.Tenant, r.ID, 2*n+1)}
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
	go func() { defer close(publishing); fixture.Publish(t, j) }()
	all.Wait()
	<-publishing
	fixture.Publish(t, j)

	events := fixture.Feed(t, j, fixture.Tenant)
	last := make(map[string]string)
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has the number %d, want %v", i+1, e.Seq, int64(i+1))
		}
		if e.Type != "thing.changed" || e.Tenant != fixture.Tenant || !e.At.Equal(fixture.Day) {
			t.Errorf("got %+v, want type thing.changed, tenant %v, at %v", e, fixture.Tenant, fixture.Day)
		}
		last[e.Subject] += string(e.Data)
	}
	if len(events) != writers*each*2 {
		t.Errorf("%d events, want %d", len(events), writers*each*2)
	}
	for subject, data := range last {
		if data != `{"n":0}{"n":1}{"n":2}{"n":3}{"n":4}{"n":5}` {
			t.Errorf("%s: got %s, want {\"n\":0}{\"n\":1}{\"n\":2}{\"n\":3}{\"n\":4}{\"n\":5}", subject, data)
		}
	}
}

func feedByTenant(t *testing.T, j ports.Journal) {
	for i, who := range []string{fixture.Tenant, fixture.Other, fixture.Tenant} {
		r := fixture.Record(fmt.Sprint("r", i))
		r.Tenant = who
		r.Events = []event.Event{fixture.Event(who, r.ID, i)}
		fixture.Save(t, j, &r)
	}
	fixture.Publish(t, j)
	mine, theirs, all := fixture.Feed(t, j, fixture.Tenant), fixture.Feed(t, j, fixture.Other), fixture.Feed(t, j, ports.AllTenants)
	if len(mine) != 2 || len(theirs) != 1 || theirs[0].Subject != "r1" {
		t.Errorf("%+v and %+v, want 2 of the first tenant and r1 of the other", mine, theirs)
	}
	if len(all) != 3 || all[1].Tenant != fixture.Other || all[2].Seq != 3 {
		t.Errorf("of all tenants: got %+v, want 3 entries, tenant %v, seq 3", all, fixture.Other)
	}
}

func feedOnlySaved(t *testing.T, j ports.Journal) {
	a := fixture.Record("a")
	fixture.Save(t, j, &a)
	again := fixture.Record("a")
	again.Events = []event.Event{fixture.Event(fixture.Tenant, "a", 1)}
	suite.WantKind(t, j.Save(t.Context(), &again)[0], fault.Conflict)
	fixture.Publish(t, j)
	if events := fixture.Feed(t, j, fixture.Tenant); len(events) != 0 {
		t.Errorf("got %+v, want no events", events)
	}
}

// feedReadAgain checks what cursors of the feed rely on: an event that has been read once is later
// found at the same position.
func feedReadAgain(t *testing.T, j ports.Journal) {
	for i, who := range []string{fixture.Tenant, fixture.Other, fixture.Tenant, fixture.Other, fixture.Tenant} {
		r := fixture.Record(fmt.Sprint("r", i))
		r.Tenant, r.Events = who, []event.Event{fixture.Event(who, r.ID, i)}
		fixture.Save(t, j, &r)
	}
	fixture.Publish(t, j)
	if n, err := j.Purge(t.Context(), fixture.Tenant, fixture.Kind, fixture.Day.Add(time.Hour), 9); n != 3 || err != nil {
		t.Fatalf("%d purged, %v, want 3", n, err)
	}
	for _, of := range []string{fixture.Tenant, fixture.Other, ports.AllTenants} {
		all := fixture.Feed(t, j, of)
		for i, e := range all {
			again, err := j.Feed(t.Context(), of, e.Seq-1, len(all)+1)
			if err != nil || len(again) != len(all)-i || again[0].Seq != e.Seq || again[0].ID != e.ID {
				t.Errorf("from %d: got %+v, %v, want %v events from %v", e.Seq, again, err, len(all)-i, e.ID)
			}
		}
		last := all[len(all)-1].Seq
		if beyond, err := j.Feed(t.Context(), of, last, 2); err != nil || len(beyond) != 0 {
			t.Errorf("after the last: got %+v, %v, want none", beyond, err)
		}
	}
}
