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

func listFiltered(t *testing.T, j ports.Journal) {
	for i, c := range []struct{ id, status, customer string }{
		{"a", "open", "ada"}, {"b", "done", "ada"}, {"c", "open", "eve"}, {"d", "open", ""},
	} {
		r := fixture.Record(c.id)
		r.Index = ports.Index{Status: c.status, Customer: c.customer, Created: fixture.Day.Add(time.Duration(i/2) * time.Second)}
		fixture.Save(t, j, &r)
	}
	for filter, want := range map[ports.Filter]string{
		{}:                                "[d c b a]",
		{Status: "open"}:                  "[d c a]",
		{Customer: "ada"}:                 "[b a]",
		{Status: "open", Customer: "ada"}: "[a]",
		{Status: "lost"}:                  "[]",
	} {
		if names, next := fixture.List(t, j, filter, "", 10); fmt.Sprint(names) != want || next != "" {
			t.Errorf("%+v: %v, next %q; want %s", filter, names, next, want)
		}
	}
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
