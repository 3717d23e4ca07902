package journaltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// ofTerms returns a record with terms that is not saved yet.
func ofTerms(id string, terms ...string) ports.Record {
	r := fixture.Record(id)
	r.Terms = terms
	return r
}

// wantFound checks which records of Tenant a filter finds.
func wantFound(t *testing.T, j ports.Journal, f ports.Filter, want string) {
	t.Helper()
	if ids, next := fixture.List(t, j, f, "", 100); fmt.Sprint(ids) != want || next != "" {
		t.Errorf("%+v: got %v, next %q; want %s", f, ids, next, want)
	}
}

func by(terms ...string) ports.Filter { return ports.Filter{Terms: terms} }

// termsOdd are terms that look like a query, or like several terms.
var termsOdd = []string{`'; --`, `"x","y"`, `[]`, `{"$ne":""}`, `$1`, `a b`, `größe`}

func termsFound(t *testing.T, j ports.Journal) {
	minute := func(n int) time.Time { return fixture.Day.Add(time.Duration(n) * time.Minute) }
	for i, c := range []struct {
		id, status, customer string
		terms                []string
	}{
		{"a", "open", "ada", []string{"red", "round"}},
		{"b", "done", "ada", []string{"red"}},
		{"c", "open", "eve", []string{"round", "red", "red"}},
		{"d", "open", "", nil},
		{"e", "open", "", termsOdd},
	} {
		r := ofTerms(c.id, c.terms...)
		r.Index = ports.Index{Status: c.status, Customer: c.customer, Created: minute(i)}
		fixture.Save(t, j, &r)
	}
	kind, tenant := ofTerms("kind", "red"), ofTerms("tenant", "red")
	kind.Kind, tenant.Tenant = "another", fixture.Other
	fixture.Save(t, j, &kind)
	fixture.Save(t, j, &tenant)
	for _, c := range []struct {
		filter ports.Filter
		want   string
	}{
		{by("red"), "[c b a]"},
		{by("round"), "[c a]"},
		{by("red", "round"), "[c a]"},
		{by("round", "red"), "[c a]"},
		{by("blue"), "[]"},
		{by("red", "blue"), "[]"},
		{by("re"), "[]"},
		{by(termsOdd...), "[e]"},
		{ports.Filter{Terms: []string{"red"}, Status: "open"}, "[c a]"},
		{ports.Filter{Terms: []string{"red"}, Status: "lost"}, "[]"},
		{ports.Filter{Terms: []string{"red"}, Customer: "ada"}, "[b a]"},
		{ports.Filter{Terms: []string{"round"}, Customer: "ada", Status: "open"}, "[a]"},
		{ports.Filter{Terms: []string{"red"}, From: minute(1)}, "[c b]"},
		{ports.Filter{Terms: []string{"red"}, Before: minute(1)}, "[a]"},
		{ports.Filter{Terms: []string{"red"}, From: minute(1), Before: minute(2), Status: "done"}, "[b]"},
	} {
		wantFound(t, j, c.filter, c.want)
	}
	for _, term := range termsOdd {
		wantFound(t, j, by(term), "[e]")
	}
	page, err := j.List(t.Context(), fixture.Other, fixture.Kind, by("red"), "", 10)
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != "tenant" {
		t.Errorf("of the other tenant: got %+v, %v; want its own record", page.Records, err)
	}
}

func listedByTime(t *testing.T, j ports.Journal) {
	at := func(n int) time.Time { return fixture.Day.Add(time.Duration(n) * time.Microsecond) }
	for i := range 5 {
		r := fixture.Record(fmt.Sprint("r", i))
		r.Index.Created, r.Index.Status = at(i), "open"
		fixture.Save(t, j, &r)
	}
	undated := fixture.Record("undated")
	undated.Index.Created = time.Time{}
	fixture.Save(t, j, &undated)
	for _, c := range []struct {
		filter ports.Filter
		want   string
	}{
		{ports.Filter{From: at(3)}, "[r4 r3]"},
		{ports.Filter{From: at(3).Add(-time.Nanosecond)}, "[r4 r3]"},
		{ports.Filter{From: at(3).Add(time.Nanosecond)}, "[r4]"},
		{ports.Filter{Before: at(2)}, "[r1 r0 undated]"},
		{ports.Filter{Before: at(2).Add(time.Nanosecond)}, "[r2 r1 r0 undated]"},
		{ports.Filter{From: at(1), Before: at(3)}, "[r2 r1]"},
		{ports.Filter{From: at(3), Before: at(3)}, "[]"},
		{ports.Filter{From: at(4), Before: at(1)}, "[]"},
		{ports.Filter{From: at(1), Before: at(3), Status: "open"}, "[r2 r1]"},
		{ports.Filter{From: at(1).In(time.FixedZone("x", 3600)), Before: at(2)}, "[r1]"},
	} {
		wantFound(t, j, c.filter, c.want)
	}
	ids, next := fixture.List(t, j, ports.Filter{From: at(1), Before: at(4)}, "", 2)
	if fmt.Sprint(ids) != "[r3 r2]" || next == "" {
		t.Errorf("first page: got %v, next %q; want [r3 r2] and a next", ids, next)
	}
	if ids, next = fixture.List(t, j, ports.Filter{From: at(1), Before: at(4)}, next, 2); fmt.Sprint(ids) != "[r1]" || next != "" {
		t.Errorf("second page: got %v, next %q; want [r1] and no next", ids, next)
	}
}

func termsContinue(t *testing.T, j ports.Journal) {
	var want []string
	for i := range 10 {
		r := ofTerms(fmt.Sprint("r", i), "red", []string{"even", "odd"}[i%2])
		r.Index.Created = fixture.Day.Add(time.Duration(i/3) * time.Microsecond) // several with the same time
		fixture.Save(t, j, &r)
		want = append([]string{r.ID}, want...)
	}
	for _, c := range []struct {
		filter ports.Filter
		want   []string
	}{
		{by("red"), want},
		{by("red", "odd"), []string{"r9", "r7", "r5", "r3", "r1"}},
		{by("even", "red"), []string{"r8", "r6", "r4", "r2", "r0"}},
	} {
		var seen []string
		for cursor := ""; ; {
			ids, next := fixture.List(t, j, c.filter, cursor, 2)
			seen = append(seen, ids...)
			newer := ofTerms(fmt.Sprint("newer", c.filter.Terms, len(seen)), "red", "odd", "even")
			newer.Index.Created = fixture.Day.Add(time.Hour)
			fixture.Save(t, j, &newer)
			if cursor = next; cursor == "" {
				break
			}
		}
		seen = slices.DeleteFunc(seen, func(id string) bool { return strings.HasPrefix(id, "newer") })
		if !slices.Equal(seen, c.want) {
			t.Errorf("%v: got %v, want %v", c.filter.Terms, seen, c.want)
		}
	}
}

func termsStay(t *testing.T, j ports.Journal) {
	r := ofTerms("a", "red", "round")
	r.Queue, r.Due = fixture.Queue, fixture.Day
	fixture.Save(t, j, &r)
	if r = fixture.Get(t, j, "a"); r.Terms != nil {
		t.Errorf("terms of a record that was read = %v, want none", r.Terms)
	}
	r.Index.Status = "changed"
	fixture.Save(t, j, &r)
	claims := fixture.Claim(t, j, "me", fixture.Lease, 1)
	if len(claims) != 1 || claims[0].Terms != nil {
		t.Fatalf("claims = %+v, want one without terms", claims)
	}
	r = claims[0].Record
	r.Body = []byte("changed")
	fixture.Save(t, j, &r)
	wantFound(t, j, by("red", "round"), "[a]")

	r.Terms = []string{"round", "blue"}
	fixture.Save(t, j, &r)
	wantFound(t, j, by("red"), "[]")
	wantFound(t, j, by("blue", "round"), "[a]")

	r.Terms, r.Index.Created = nil, fixture.Later
	fixture.Save(t, j, &r)
	wantFound(t, j, ports.Filter{Terms: []string{"blue"}, From: fixture.Later}, "[a]")
	wantFound(t, j, ports.Filter{Terms: []string{"blue"}, Before: fixture.Later}, "[]")

	stale := r
	stale.Rev, stale.Terms = 1, []string{"green"}
	suite.WantKind(t, j.Save(t.Context(), &stale)[0], fault.Conflict)
	wantFound(t, j, by("green"), "[]")
	wantFound(t, j, by("round"), "[a]")

	r.Terms = []string{}
	fixture.Save(t, j, &r)
	wantFound(t, j, by("round"), "[]")
	wantFound(t, j, ports.Filter{}, "[a]")
	r.Terms = []string{"green"}
	fixture.Save(t, j, &r)
	wantFound(t, j, by("green"), "[a]")
}

func termsGo(t *testing.T, j ports.Journal) {
	for i, id := range []string{"a", "b", "c"} {
		r, list := ofTerms(id, "red"), fixture.Children(id, 2)
		r.Index.Created = fixture.Day.Add(time.Duration(i) * time.Hour)
		list[0].Terms, list[1].Terms = []string{"part", "first"}, []string{"part"}
		if err := j.Attach(t.Context(), &r, list...); err != nil {
			t.Fatal(err)
		}
	}
	parts := func(want string) {
		t.Helper()
		page, err := j.List(t.Context(), fixture.Tenant, fixture.ChildKind, by("part"), "", 10)
		var ids []string
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		if err != nil || fmt.Sprint(ids) != want {
			t.Errorf("children: got %v, %v; want %s", ids, err, want)
		}
	}
	wantFound(t, j, by("red"), "[c b a]")
	parts("[c.1 c.0 b.1 b.0 a.1 a.0]")
	if n, err := j.Purge(t.Context(), fixture.Tenant, fixture.Kind, fixture.Day.Add(time.Minute), 10); n != 1 || err != nil {
		t.Fatalf("purged %d, %v; want 1", n, err)
	}
	wantFound(t, j, by("red"), "[c b]")
	parts("[c.1 c.0 b.1 b.0]")
	b := fixture.Get(t, j, "b")
	if err := j.Detach(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	wantFound(t, j, by("red"), "[c b]")
	parts("[c.1 c.0]")
	again := ofTerms("a", "blue")
	fixture.Save(t, j, &again)
	wantFound(t, j, by("red"), "[c b]")
	wantFound(t, j, by("blue"), "[a]")
}

func termsBounded(t *testing.T, j ports.Journal) {
	most := make([]string, ports.MaxTerms)
	for i := range most {
		most[i] = fmt.Sprintf("%0*d", ports.MaxTermBytes, i)
	}
	r := ofTerms("a", most...)
	fixture.Save(t, j, &r)
	wantFound(t, j, by(most[0], most[len(most)-1]), "[a]")
	for name, terms := range map[string][]string{
		"one more":      append(slices.Clone(most), "x"),
		"one too long":  {strings.Repeat("x", ports.MaxTermBytes+1)},
		"one empty":     {"x", ""},
		"one no text":   {"x\xff"},
		"one of zeros":  {"x\x00"},
		"one more of a": append(slices.Clone(most), most[0]),
	} {
		r, c := ofTerms("b", terms...), fixture.Children("c", 1)[0]
		if err := j.Save(t.Context(), &r)[0]; !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want kind %v", name, err, fault.Invalid)
		}
		parent := fixture.Record("c")
		c.Terms = terms
		if err := j.Attach(t.Context(), &parent, c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s, of a child: got %v, want kind %v", name, err, fault.Invalid)
		}
	}
	wantFound(t, j, ports.Filter{}, "[a]")
}

// termsTogether saves records at once, since a store may write them with one statement.
func termsTogether(t *testing.T, j ports.Journal) {
	for round := range 2 {
		done := make(chan error, 40)
		for i := range 40 {
			go func() {
				r := ofTerms(fmt.Sprintf("r%02d", i), "all", fmt.Sprint("own", i))
				if round == 1 {
					r.Rev, r.Terms = 1, nil
					if i%2 == 1 {
						r.Terms = []string{"odd"}
					}
				}
				done <- j.Save(t.Context(), &r)[0]
			}()
		}
		for range 40 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			wantFound(t, j, by("all", "own17"), "[r17]")
		}
	}
	for filter, want := range map[string]int{"all": 20, "odd": 20, "own17": 0, "own16": 1} {
		if ids, _ := fixture.List(t, j, by(filter), "", 100); len(ids) != want {
			t.Errorf("%s: got %d records, want %d", filter, len(ids), want)
		}
	}
}
