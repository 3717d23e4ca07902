package contract

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
)

const childKind = "part"

// later is later than the creation time of every record in a case.
var later = day.Add(24 * time.Hour)

func children(parent string, n int) []*ports.Record {
	list := make([]*ports.Record, n)
	for i := range list {
		c := record(fmt.Sprintf("%s.%d", parent, i))
		c.Kind = childKind
		list[i] = &c
	}
	return list
}

func attach(t *testing.T, j ports.Journal, id string, n int) ports.Record {
	t.Helper()
	r := record(id)
	if err := j.Attach(t.Context(), &r, children(id, n)...); err != nil {
		t.Fatalf("attach of %s: %v", id, err)
	}
	return r
}

// offspring returns the ids of the stored children.
func offspring(t *testing.T, j ports.Journal) (names []string) {
	t.Helper()
	page, err := j.List(t.Context(), tenant, childKind, ports.Filter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		names = append(names, r.ID)
	}
	return names
}

func sweep(t *testing.T, j ports.Journal) {
	t.Helper()
	if _, err := j.Sweep(t.Context(), later, 100); err != nil {
		t.Fatal(err)
	}
}

func attached(t *testing.T, j ports.Journal) {
	r := record("a")
	r.Idem, r.Ref, r.Queue, r.Due, r.Events = "i", "r", queue, day, []event.Event{note(tenant, "a", 1)}
	list := children("a", 3)
	list[1].Queue, list[1].Due, list[1].Body = "others", day.Add(time.Second), make([]byte, 4<<20)
	if err := j.Attach(t.Context(), &r, list...); err != nil || r.Rev != 1 || list[2].Rev != 1 {
		t.Fatalf("%v, at revisions %d and %d", err, r.Rev, list[2].Rev)
	}
	sweep(t, j)
	if got := get(t, j, "a"); got.Idem != "i" || got.Ref != "r" || got.Queue != queue || got.Parent != "" || string(got.Body) != "body of a" {
		t.Errorf("%+v", got)
	}
	for i, c := range list {
		got, err := j.Get(t.Context(), tenant, childKind, c.ID)
		if err != nil || got.Parent != kind+"|a" || got.Rev != 1 || len(got.Body) != len(c.Body) || got.Queue != c.Queue || !got.Due.Equal(c.Due) {
			t.Errorf("child %d: %v, %d bytes, parent %q, queue %q", i, err, len(got.Body), got.Parent, got.Queue)
		}
	}
	publish(t, j)
	if events := feed(t, j, tenant); len(events) != 1 {
		t.Errorf("%+v", events)
	}
	list[0].Body = []byte("changed")
	save(t, j, list[0])
	if got, err := j.Get(t.Context(), tenant, childKind, "a.0"); err != nil || string(got.Body) != "changed" || got.Parent != kind+"|a" {
		t.Errorf("a child is a record like any other: %+v, %v", got, err)
	}
}

func attachRefused(t *testing.T, j ports.Journal) {
	there := record("there")
	there.Idem = "i"
	save(t, j, &there)
	stranger := children("x", 1)[0]
	stranger.Body = []byte("a stranger's")
	save(t, j, stranger)
	for name, change := range map[string]func(r *ports.Record, c []*ports.Record){
		"the id is taken":       func(r *ports.Record, _ []*ports.Record) { r.ID = "there" },
		"the idem is taken":     func(r *ports.Record, _ []*ports.Record) { r.Idem = "i" },
		"a child's id is taken": func(_ *ports.Record, c []*ports.Record) { c[1].ID = stranger.ID },
	} {
		r := record("new")
		list := children("new", 2)
		change(&r, list)
		wantKind(t, j.Attach(t.Context(), &r, list...), fault.Conflict)
		if r.Rev != 0 {
			t.Errorf("%s: revision %d", name, r.Rev)
		}
		sweep(t, j)
		if names := offspring(t, j); fmt.Sprint(names) != "[x.0]" {
			t.Errorf("%s: left are %v", name, names)
		}
		_, err := j.Get(t.Context(), tenant, kind, "new")
		wantKind(t, err, fault.NotFound)
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
		"a child that has news":       func(_, c *ports.Record) { c.Events = []event.Event{note(tenant, "a", 1)} },
		"a child of another's tenant": func(_, c *ports.Record) { c.Tenant = other },
	} {
		r := record("a")
		list := children("a", 1)
		change(&r, list[0])
		if err := j.Attach(t.Context(), &r, list...); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	sweep(t, j)
	if names := offspring(t, j); len(names) != 0 {
		t.Errorf("left are %v", names)
	}
}

func attachedAtOnce(t *testing.T, j ports.Journal) {
	var all sync.WaitGroup
	var won atomic.Int64
	for range 20 {
		all.Go(func() {
			r := record("a")
			switch err := j.Attach(t.Context(), &r, children("a", 2)...); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	sweep(t, j)
	if names := offspring(t, j); won.Load() != 1 || fmt.Sprint(names) != "[a.1 a.0]" {
		t.Errorf("%d won; there are %v", won.Load(), names)
	}
}

func detached(t *testing.T, j ports.Journal) {
	r := attach(t, j, "a", 2)
	attach(t, j, "b", 1)
	stale := r
	r.Body = []byte("alone")
	if err := j.Detach(t.Context(), &r); err != nil || r.Rev != 2 {
		t.Fatalf("%v at revision %d", err, r.Rev)
	}
	wantKind(t, j.Detach(t.Context(), &stale), fault.Conflict)
	sweep(t, j)
	if got := get(t, j, "a"); string(got.Body) != "alone" || fmt.Sprint(offspring(t, j)) != "[b.0]" {
		t.Errorf("%s; there are %v", got.Body, offspring(t, j))
	}
}

func refusedDetach(t *testing.T, j ports.Journal) {
	r := attach(t, j, "a", 2)
	r.Rev = 7
	wantKind(t, j.Detach(t.Context(), &r), fault.Conflict)
	sweep(t, j)
	if names := offspring(t, j); len(names) != 2 {
		t.Errorf("there are %v", names)
	}
}

func purged(t *testing.T, j ports.Journal) {
	for i := range 5 {
		r := record(fmt.Sprint("old", i))
		r.Index.Created, r.Idem = day.Add(time.Duration(i)*time.Second), r.ID
		if err := j.Attach(t.Context(), &r, children(r.ID, 1)...); err != nil {
			t.Fatal(err)
		}
	}
	for id, change := range map[string]func(r *ports.Record){
		"young":            func(r *ports.Record) { r.Index.Created = later },
		"waits":            func(r *ports.Record) { r.Queue, r.Due = queue, day },
		"another kind":     func(r *ports.Record) { r.Kind = "another" },
		"another tenant's": func(r *ports.Record) { r.Tenant = other },
	} {
		r := record(id)
		change(&r)
		save(t, j, &r)
	}
	purge := func(n, want int) {
		t.Helper()
		if got, err := j.Purge(t.Context(), tenant, kind, later, n); err != nil || got != want {
			t.Errorf("%d purged, %v; want %d", got, err, want)
		}
	}
	purge(2, 2)
	if names, _ := listed(t, j, ports.Filter{}, "", 10); fmt.Sprint(names) != "[young old4 old3 old2 waits]" {
		t.Errorf("the oldest go first: left are %v", names)
	}
	purge(10, 3)
	purge(10, 0)
	if names, _ := listed(t, j, ports.Filter{}, "", 10); fmt.Sprint(names) != "[young waits]" || len(offspring(t, j)) != 0 {
		t.Errorf("left are %v, and of children %v", names, offspring(t, j))
	}
	again := record("again")
	again.Idem = "old0"
	save(t, j, &again) // its key is free again
	if _, err := j.Get(t.Context(), other, kind, "another tenant's"); err != nil {
		t.Error(err)
	}
	if _, err := j.Get(t.Context(), tenant, "another", "another kind"); err != nil {
		t.Error(err)
	}
}
