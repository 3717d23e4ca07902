package journaltest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// listEndsByBytes lists records of which some are large: the records of a page before its last one
// never exceed PageBytes together, and a page is never empty.
func listEndsByBytes(t *testing.T, j ports.Journal) {
	const small, large = 1000, 550_000
	var want []string
	for i, size := range []int{small, large, small, large, small} {
		r := fixture.Record(fmt.Sprint("r", i))
		r.Body = bytes.Repeat([]byte{byte(i)}, size)
		r.Index.Created = fixture.Day.Add(time.Duration(i) * time.Second)
		fixture.Save(t, j, &r)
		want = append(want, r.ID)
	}
	slices.Reverse(want)
	var seen []string
	pages := 0
	for cursor := ""; ; pages++ {
		page, err := j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, cursor, 100)
		if err != nil || len(page.Records) == 0 {
			t.Fatalf("page %d: %d records, %v, want some records", pages, len(page.Records), err)
		}
		before := 0
		for _, r := range page.Records[:len(page.Records)-1] {
			before += len(r.Body)
		}
		for _, r := range page.Records {
			seen = append(seen, r.ID)
		}
		if before >= ports.PageBytes {
			t.Errorf("page %d goes on after %d bytes, want fewer than %v", pages, before, ports.PageBytes)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(seen, want) || pages == 0 {
		t.Errorf("%v on %d pages, want %v", seen, pages+1, want)
	}
}

// contentLeftOut reads a record by every method of the journal.
func contentLeftOut(t *testing.T, j ports.Journal) {
	const ref, idem = "provider:object", "tenant|route|key"
	content := bytes.Repeat([]byte{0, 0xff, '"'}, 20_000)
	r := fixture.Record("large")
	r.Content, r.Idem, r.Ref, r.Queue, r.Due = content, idem, ref, "q", fixture.Day
	plain := fixture.Record("plain")
	fixture.Save(t, j, &r)
	fixture.Save(t, j, &plain)

	page, err := j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, "", 10)
	if err != nil || len(page.Records) != 2 {
		t.Fatalf("got %+v, %v, want 2 records", page, err)
	}
	for _, one := range page.Records {
		if one.Content != nil || one.Partial != (one.ID == "large") || string(one.Body) != "body of "+one.ID {
			t.Errorf("%s in a list: content of %d bytes, partial %v, body %q, want content nil, partial %v, body %v", one.ID, len(one.Content), one.Partial, one.Body, (one.ID == "large"), "body of "+one.ID)
		}
	}
	whole := map[string]func() (ports.Record, error){
		"Get":          func() (ports.Record, error) { return j.Get(t.Context(), fixture.Tenant, fixture.Kind, "large") },
		"Find by idem": func() (ports.Record, error) { return j.Find(t.Context(), fixture.Kind, ports.ByIdem, idem) },
		"Find by ref":  func() (ports.Record, error) { return j.Find(t.Context(), fixture.Kind, ports.ByRef, ref) },
	}
	for _, how := range slices.Sorted(maps.Keys(whole)) {
		got, err := whole[how]()
		if err != nil || !bytes.Equal(got.Content, content) || got.Partial {
			t.Errorf("%s: got %d bytes of content, partial %v, error %v, want %d bytes, not partial", how, len(got.Content), got.Partial, err, len(content))
		}
	}
	claims, err := j.Claim(t.Context(), "q", "me", time.Minute, 1)
	if err != nil || len(claims) != 1 || !bytes.Equal(claims[0].Content, content) {
		t.Fatalf("got %d claims, error %v, want 1 claim with the whole content", len(claims), err)
	}
	claimed := claims[0].Record
	claimed.Content = []byte("shorter")
	fixture.Save(t, j, &claimed)
	if got, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "large"); err != nil || string(got.Content) != "shorter" {
		t.Errorf("saved again: got %q, %v, want content shorter", got.Content, err)
	}
	claimed.Content = nil
	fixture.Save(t, j, &claimed)
	if page, err = j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, "", 10); err != nil || page.Records[0].Partial {
		t.Errorf("without content: got %+v, %v, want not partial", page.Records[0], err)
	}
}

func partialRefused(t *testing.T, j ports.Journal) {
	r := fixture.Record("large")
	r.Content = []byte("content")
	fixture.Save(t, j, &r)
	page, err := j.List(t.Context(), fixture.Tenant, fixture.Kind, ports.Filter{}, "", 1)
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("got %+v, %v, want 1 record", page, err)
	}
	suite.WantKind(t, j.Save(t.Context(), &page.Records[0])[0], fault.Invalid)
	suite.WantKind(t, j.Detach(t.Context(), &page.Records[0]), fault.Invalid)
	if got, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "large"); err != nil || string(got.Content) != "content" || got.Rev != 1 {
		t.Errorf("got %+v, %v, want content content, rev 1", got, err)
	}
}
