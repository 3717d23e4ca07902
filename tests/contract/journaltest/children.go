package journaltest

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

func attached(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Idem, r.Ref, r.Queue, r.Due, r.Events = "i", "r", fixture.Queue, fixture.Day, []event.Event{fixture.Event(fixture.Tenant, "a", 1)}
	list := fixture.Children("a", 3)
	list[1].Queue, list[1].Due, list[1].Body = "others", fixture.Day.Add(time.Second), make([]byte, 4<<20)
	list[1].Content, list[1].Index.Customer = []byte("content"), "c"
	if err := j.Attach(t.Context(), &r, list...); err != nil || r.Rev != 1 || list[2].Rev != 1 {
		t.Fatalf("%v, at revisions %d and %d, want rev 1", err, r.Rev, list[2].Rev)
	}
	fixture.Sweep(t, j)
	if got := fixture.Get(t, j, "a"); got.Idem != "i" || got.Ref != "r" || got.Queue != fixture.Queue || got.Parent != "" || string(got.Body) != "body of a" {
		t.Errorf("got %+v, want idem i, ref r, queue %v, no parent, body \"body of a\"", got, fixture.Queue)
	}
	for i, c := range list {
		got, err := j.Get(t.Context(), fixture.Tenant, fixture.ChildKind, c.ID)
		if err != nil || got.Parent != fixture.Kind+"|a" || got.Rev != 1 || len(got.Body) != len(c.Body) || got.Queue != c.Queue || !got.Due.Equal(c.Due) {
			t.Errorf("child %d: error %v, %d bytes, parent %q, queue %q, want parent %v, rev 1, %v bytes of body, queue %v, due %v", i, err, len(got.Body), got.Parent, got.Queue, fixture.Kind+"|a", len(c.Body), c.Queue, c.Due)
		}
		if !bytes.Equal(got.Content, c.Content) {
			t.Errorf("content of child %d = %q, want %q", i, got.Content, c.Content)
		}
		if got.Index.Customer != c.Index.Customer {
			t.Errorf("customer of child %d = %q, want %q", i, got.Index.Customer, c.Index.Customer)
		}
	}
	fixture.Publish(t, j)
	if events := fixture.Feed(t, j, fixture.Tenant); len(events) != 1 {
		t.Errorf("got %+v, want 1 event", events)
	}
	list[0].Body = []byte("changed")
	fixture.Save(t, j, list[0])
	if got, err := j.Get(t.Context(), fixture.Tenant, fixture.ChildKind, "a.0"); err != nil || string(got.Body) != "changed" || got.Parent != fixture.Kind+"|a" {
		t.Errorf("a child is a record like any other: got %+v, %v, want body changed, parent %v", got, err, fixture.Kind+"|a")
	}
}

func attachRefused(t *testing.T, j ports.Journal) {
	there := fixture.Record("there")
	there.Idem = "i"
	fixture.Save(t, j, &there)
	stranger := fixture.Children("x", 1)[0]
	stranger.Body = []byte("a stranger's")
	fixture.Save(t, j, stranger)
	for name, change := range map[string]func(r *ports.Record, c []*ports.Record){
		"the id is taken":       func(r *ports.Record, _ []*ports.Record) { r.ID = "there" },
		"the idem is taken":     func(r *ports.Record, _ []*ports.Record) { r.Idem = "i" },
		"a child's id is taken": func(_ *ports.Record, c []*ports.Record) { c[1].ID = stranger.ID },
	} {
		r := fixture.Record("new")
		list := fixture.Children("new", 2)
		change(&r, list)
		suite.WantKind(t, j.Attach(t.Context(), &r, list...), fault.Conflict)
		if r.Rev != 0 {
			t.Errorf("%s: revision %d, want 0", name, r.Rev)
		}
		fixture.Sweep(t, j)
		if names := fixture.ChildIDs(t, j); fmt.Sprint(names) != "[x.0]" {
			t.Errorf("%s: left are %v, want \"[x.0]\"", name, names)
		}
		_, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "new")
		suite.WantKind(t, err, fault.NotFound)
	}
}

func attachInvalid(t *testing.T, j ports.Journal) {
	for name, change := range map[string]func(r, c *ports.Record){
		"a record that was saved":     func(r, _ *ports.Record) { r.Rev = 1 },
		"a record without a body":     func(r, _ *ports.Record) { r.Body = nil },
		"a child without an id":       func(_, c *ports.Record) { c.ID = "" },
		"a child without a body":      func(_, c *ports.Record) { c.Body = nil },
		"a child with a key":          func(_, c *ports.Record) { c.Idem = "i" },
		"a child with a reference":    func(_, c *ports.Record) { c.Ref = "r" },
		"a child that has news":       func(_, c *ports.Record) { c.Events = []event.Event{fixture.Event(fixture.Tenant, "a", 1)} },
		"a child of another's tenant": func(_, c *ports.Record) { c.Tenant = fixture.Other },
	} {
		r := fixture.Record("a")
		list := fixture.Children("a", 1)
		change(&r, list[0])
		if err := j.Attach(t.Context(), &r, list...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want kind %v", name, err, fault.Invalid)
		}
	}
	fixture.Sweep(t, j)
	if names := fixture.ChildIDs(t, j); len(names) != 0 {
		t.Errorf("left are %v, want none", names)
	}
}

func attachedAtOnce(t *testing.T, j ports.Journal) {
	var all sync.WaitGroup
	var won atomic.Int64
	for range 20 {
		all.Go(func() {
			r := fixture.Record("a")
			switch err := j.Attach(t.Context(), &r, fixture.Children("a", 2)...); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	fixture.Sweep(t, j)
	if names := fixture.ChildIDs(t, j); won.Load() != 1 || fmt.Sprint(names) != "[a.1 a.0]" {
		t.Errorf("%d attached, with the children %v, want 1 with \"[a.1 a.0]\"", won.Load(), names)
	}
}

func detached(t *testing.T, j ports.Journal) {
	r := fixture.Attach(t, j, "a", 2)
	fixture.Attach(t, j, "b", 1)
	stale := r
	r.Body = []byte("alone")
	if err := j.Detach(t.Context(), &r); err != nil || r.Rev != 2 {
		t.Fatalf("%v at revision %d, want rev 2", err, r.Rev)
	}
	suite.WantKind(t, j.Detach(t.Context(), &stale), fault.Conflict)
	fixture.Sweep(t, j)
	if got := fixture.Get(t, j, "a"); string(got.Body) != "alone" || fmt.Sprint(fixture.ChildIDs(t, j)) != "[b.0]" {
		t.Errorf("got body %s and children %v, want alone and [b.0]", got.Body, fixture.ChildIDs(t, j))
	}
}

func refusedDetach(t *testing.T, j ports.Journal) {
	r := fixture.Attach(t, j, "a", 2)
	r.Rev = 7
	suite.WantKind(t, j.Detach(t.Context(), &r), fault.Conflict)
	fixture.Sweep(t, j)
	if names := fixture.ChildIDs(t, j); len(names) != 2 {
		t.Errorf("children left: got %v, want 2", names)
	}
}

func purged(t *testing.T, j ports.Journal) {
	for i := range 5 {
		r := fixture.Record(fmt.Sprint("old", i))
		r.Index.Created, r.Idem = fixture.Day.Add(time.Duration(i)*time.Second), r.ID
		if err := j.Attach(t.Context(), &r, fixture.Children(r.ID, 1)...); err != nil {
			t.Fatal(err)
		}
	}
	for id, change := range map[string]func(r *ports.Record){
		"young":            func(r *ports.Record) { r.Index.Created = fixture.Later },
		"waits":            func(r *ports.Record) { r.Queue, r.Due = fixture.Queue, fixture.Day },
		"another kind":     func(r *ports.Record) { r.Kind = "another" },
		"another tenant's": func(r *ports.Record) { r.Tenant = fixture.Other },
	} {
		r := fixture.Record(id)
		change(&r)
		fixture.Save(t, j, &r)
	}
	purge := func(n, want int) {
		t.Helper()
		if got, err := j.Purge(t.Context(), fixture.Tenant, fixture.Kind, fixture.Later, n); err != nil || got != want {
			t.Errorf("%d purged, %v; want %d", got, err, want)
		}
	}
	purge(2, 2)
	if names, _ := fixture.List(t, j, ports.Filter{}, "", 10); fmt.Sprint(names) != "[young old4 old3 old2 waits]" {
		t.Errorf("the oldest go first: left are %v, want \"[young old4 old3 old2 waits]\"", names)
	}
	purge(10, 3)
	purge(10, 0)
	if names, _ := fixture.List(t, j, ports.Filter{}, "", 10); fmt.Sprint(names) != "[young waits]" || len(fixture.ChildIDs(t, j)) != 0 {
		t.Errorf("left are %v, and of children %v, want \"[young waits]\" and no child", names, fixture.ChildIDs(t, j))
	}
	again := fixture.Record("again")
	again.Idem = "old0"
	fixture.Save(t, j, &again) // its key is free again
	if _, err := j.Get(t.Context(), fixture.Other, fixture.Kind, "another tenant's"); err != nil {
		t.Error(err)
	}
	if _, err := j.Get(t.Context(), fixture.Tenant, "another", "another kind"); err != nil {
		t.Error(err)
	}
}
