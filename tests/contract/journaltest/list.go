package journaltest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
)

func severalAtOnce(t *testing.T, j ports.Journal) {
	ids := make([]string, ports.MaxGetAll)
	for i := range ids {
		ids[i] = fmt.Sprintf("absent %d", i)
	}
	for i, id := range []string{"a", "b'\"", "c"} {
		r := fixture.Record(id)
		r.Content = []byte("content of " + id)
		fixture.Save(t, j, &r)
		ids[i*400] = id
	}
	unnamed, kind, tenant := fixture.Record("unnamed"), fixture.Record("absent 1"), fixture.Record("absent 2")
	kind.Kind, tenant.Tenant = "another", fixture.Other
	for _, r := range []ports.Record{unnamed, kind, tenant} {
		fixture.Save(t, j, &r)
	}
	found, err := j.GetAll(t.Context(), fixture.Tenant, fixture.Kind, ids...)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range found {
		names = append(names, r.ID)
		if want := fixture.Get(t, j, r.ID); string(r.Body) != string(want.Body) || string(r.Content) != string(want.Content) || r.Rev != want.Rev || r.Partial {
			t.Errorf("got %+v, want %+v", r, want)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"a", "b'\"", "c"}) {
		t.Errorf("got %q, want a, b'\" and c", names)
	}
	if none, err := j.GetAll(t.Context(), fixture.Tenant, fixture.Kind); err != nil || len(none) != 0 {
		t.Errorf("without ids: got %v, %v; want no record and no error", none, err)
	}
}

func listFiltered(t *testing.T, j ports.Journal) {
	for i, c := range []struct{ id, status, customer string }{
		{"a", "open", "ada"}, {"b", "done", "ada"}, {"c", "open", "eve"}, {"d", "open", ""},
	} {
		r := fixture.Record(c.id)
		r.Index = ports.Index{Status: c.status, Customer: c.customer, Created: fixture.Day.Add(time.Duration(i/2) * time.Second)}
		fixture.Save(t, j, &r)
	}
	wantFound(t, j, ports.Filter{}, "[d c b a]")
	wantFound(t, j, ports.Filter{Status: "open"}, "[d c a]")
	wantFound(t, j, ports.Filter{Customer: "ada"}, "[b a]")
	wantFound(t, j, ports.Filter{Status: "open", Customer: "ada"}, "[a]")
	wantFound(t, j, ports.Filter{Status: "lost"}, "[]")
}

func listContinues(t *testing.T, j ports.Journal) {
	for i := range 7 {
		r := fixture.Record(fmt.Sprint("r", i))
		r.Index.Created = fixture.Day.Add(time.Duration(i/3) * time.Microsecond) // several with the same time
		fixture.Save(t, j, &r)
	}
	var seen []string
	for cursor := ""; ; {
		names, next := fixture.List(t, j, ports.Filter{}, cursor, 3)
		seen = append(seen, names...)
		newer := fixture.Record(fmt.Sprint("newer", len(seen)))
		newer.Index.Created = fixture.Day.Add(time.Hour)
		fixture.Save(t, j, &newer)
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
		if _, err := j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, cursor, 3); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want kind %v", cursor, err, fault.Invalid)
		}
	}
}
