// Package archivetest is the contract suite of ports.Archive, by which a store is copied to another
// one. Every store runs it from a test called TestContract; a store with users also runs RunUsers.
// docs/contract.md lists the cases.
package archivetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// Harness is an empty store for one case: its archive and its journal.
type Harness struct {
	Archive ports.Archive
	Journal ports.Journal
}

// copying is the harness of a case that copies one store to another.
type copying[H any] struct{ from, to H }

// Run runs the suite. open makes an empty store.
func Run(t *testing.T, open func(t *testing.T) Harness) { runCopying(t, cases, open) }

func runCopying[H any](t *testing.T, cases []suite.Case[copying[H]], open func(t *testing.T) H) {
	suite.Run(t, cases, func(t *testing.T) copying[H] { return copying[H]{open(t), open(t)} })
}

// between makes the function of a case of one that takes both stores.
func between[H any](run func(t *testing.T, from, to H)) func(t *testing.T, c copying[H]) {
	return func(t *testing.T, c copying[H]) { run(t, c.from, c.to) }
}

// scan reads all entries of a section in pages of three.
func scan(t *testing.T, a ports.Archive, section ports.Section) (all []ports.Entry) {
	t.Helper()
	for after := ""; ; {
		page, next, err := a.Scan(t.Context(), section, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > 3 {
			t.Fatalf("a page of %d, want at most 3", len(page))
		}
		all = append(all, page...)
		if after = next; after == "" {
			return all
		}
	}
}

func digests(all []ports.Entry) map[string]ports.Digest {
	found := make(map[string]ports.Digest, len(all))
	for _, e := range all {
		found[e.Key()] = e.Digest()
	}
	return found
}

func keysOf(all []ports.Entry) []string {
	return slices.Sorted(maps.Keys(digests(all)))
}

// move copies a section and checks that the copy is equal.
func move(t *testing.T, from, to ports.Archive, section ports.Section) {
	t.Helper()
	entries := scan(t, from, section)
	for part := range slices.Chunk(entries, 3) {
		if err := to.Put(t.Context(), section, part...); err != nil {
			t.Fatalf("put of %v: %v", keysOf(part), err)
		}
	}
	want, got := digests(entries), digests(scan(t, to, section))
	if len(want) != len(entries) || !maps.Equal(want, got) {
		t.Errorf("%s: %v of %d entries became %v, want %v", section, keysOf(entries), len(entries), slices.Sorted(maps.Keys(got)), got)
	}
	asked, err := to.Digests(t.Context(), section, append(slices.Collect(maps.Keys(want)), "no|such|thing", "0")...)
	if err != nil || !maps.Equal(want, asked) {
		t.Errorf("%s: asked for by key: got %v, %v, want %v", section, slices.Sorted(maps.Keys(asked)), err, asked)
	}
}

func emptyStore(t *testing.T, from, _ Harness) {
	for _, section := range ports.Sections() {
		if all := scan(t, from.Archive, section); len(all) != 0 {
			t.Errorf("%s: got %v, want 0 entries", section, keysOf(all))
		}
		if found, err := from.Archive.Digests(t.Context(), section, "a|b|c", "1"); err != nil || len(found) != 0 {
			t.Errorf("%s: got %v, %v, want none", section, found, err)
		}
	}
}

func recordsCopied(t *testing.T, from, to Harness) {
	full := fixture.Record("full")
	full.Idem, full.Ref = "acme|route|k", "stripe:pi_1"
	full.Index = ports.Index{Status: "open", Customer: "cus_1", Created: fixture.Day.Add(123457 * time.Microsecond), Flag: "open", Flagged: fixture.Day.Add(time.Microsecond)}
	full.Terms = []string{"red", "round"}
	again := fixture.Record("again")
	theirs := fixture.Record("full")
	theirs.Tenant = fixture.Other
	nobodys := fixture.Record("of no tenant|with bars|in it")
	nobodys.Tenant = ""
	foreign := fixture.Record("Łovelace 李 🎉")
	foreign.Kind, foreign.Idem, foreign.Index.Customer = "more things", "ключ%_'\"", "schlüssel"
	large := fixture.Record("large")
	large.Content = bytes.Repeat([]byte{0, 0xff, '"'}, 100_000)
	large.Body = make([]byte, 1<<20)
	for i := range large.Body {
		large.Body[i] = byte(i * i >> 8)
	}
	for _, r := range []*ports.Record{&full, &again, &theirs, &nobodys, &foreign, &large} {
		fixture.Save(t, from.Journal, r)
	}
	fixture.Save(t, from.Journal, &again) // now at revision 2
	move(t, from.Archive, to.Archive, ports.RecordSection)

	for _, want := range []ports.Record{full, again, theirs, nobodys, foreign, large} {
		got, err := to.Journal.Get(t.Context(), want.Tenant, want.Kind, want.ID)
		if err != nil || got.Rev != want.Rev || got.Idem != want.Idem || got.Ref != want.Ref || got.Index != want.Index || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("%s: %v, %d bytes, %+v, want %d bytes, revision %d, %q, %q, %+v", want.ID, err, len(got.Body), got.Index, len(want.Body), want.Rev, want.Idem, want.Ref, want.Index)
		}
	}
	if got, err := to.Journal.Find(t.Context(), fixture.Kind, ports.ByRef, "stripe:pi_1"); err != nil || got.ID != "full" {
		t.Errorf("got %+v, %v, want ID full", got, err)
	}
	if ids, _ := fixture.List(t, to.Journal, ports.Filter{Terms: []string{"round", "red"}}, "", 9); fmt.Sprint(ids) != "[full]" {
		t.Errorf("by terms: got %v, want [full]", ids)
	}
	if ids, _ := fixture.List(t, to.Journal, ports.Filter{Status: "open", Customer: "cus_1"}, "", 9); fmt.Sprint(ids) != "[full]" {
		t.Errorf("listed: got %v, want \"[full]\"", ids)
	}
	fixture.WantCounted(t, to.Journal, "[1 from 1µs]", ports.Set{Kind: fixture.Kind, Flag: "open"})
	stale, twin := again, fixture.Record("twin")
	stale.Rev, twin.Idem = 1, full.Idem
	suite.WantKind(t, to.Journal.Save(t.Context(), &stale)[0], fault.Conflict)
	suite.WantKind(t, to.Journal.Save(t.Context(), &twin)[0], fault.Conflict)
	fixture.Save(t, to.Journal, &again)
	if got := fixture.Get(t, to.Journal, "again"); got.Rev != 3 {
		t.Errorf("a save made revision %d of 2, want 3", got.Rev)
	}
}

func childrenCopied(t *testing.T, from, to Harness) {
	fixture.Attach(t, from.Journal, "early", 2)
	fixture.Attach(t, from.Journal, "late", 2)
	fixture.Attach(t, from.Journal, "whole", 2)
	// Children before their record, after it and with it: stores differ in their order.
	entries := scan(t, from.Archive, ports.RecordSection)
	part := func(of func(r *ports.Record) bool) (some []ports.Entry) {
		for _, e := range entries {
			if of(e.Record) {
				some = append(some, e)
			}
		}
		return some
	}
	for _, some := range [][]ports.Entry{
		part(func(r *ports.Record) bool { return r.Parent == fixture.Kind+"|early" }), part(func(r *ports.Record) bool { return r.ID == "early" }),
		part(func(r *ports.Record) bool { return r.ID == "late" }), part(func(r *ports.Record) bool { return r.Parent == fixture.Kind+"|late" }),
		part(func(r *ports.Record) bool { return r.ID == "whole" || r.Parent == fixture.Kind+"|whole" }),
	} {
		if err := to.Archive.Put(t.Context(), ports.RecordSection, some...); err != nil {
			t.Fatal(err)
		}
	}
	if got := digests(scan(t, to.Archive, ports.RecordSection)); !maps.Equal(got, digests(entries)) {
		t.Errorf("got %v, want %v", got, digests(entries))
	}
	fixture.Sweep(t, to.Journal)
	if got := fixture.ChildIDs(t, to.Journal); len(got) != 6 {
		t.Fatalf("after a sweep: got %v, want 6 entries", got)
	}
	late := fixture.Get(t, to.Journal, "late")
	if err := to.Journal.Detach(t.Context(), &late); err != nil {
		t.Fatal(err)
	}
	if got := fixture.ChildIDs(t, to.Journal); len(got) != 4 {
		t.Errorf("after one was detached: got %v, want 4 entries", got)
	}
	if n, err := to.Journal.Purge(t.Context(), fixture.Tenant, fixture.Kind, fixture.Day.Add(time.Hour), 3); err != nil || n != 3 {
		t.Fatalf("purged %d, %v, want 3", n, err)
	}
	if got := fixture.ChildIDs(t, to.Journal); len(got) != 0 {
		t.Errorf("left of records that are gone: got %v, want 0 entries", got)
	}
}

func queuesCopied(t *testing.T, from, to Harness) {
	fixture.Enqueue(t, from.Journal, "due", fixture.Day)
	if c := fixture.Claim(t, from.Journal, "dead", time.Millisecond, 1); len(c) != 1 {
		t.Fatalf("got %+v, want 1 entry", c)
	}
	fixture.Enqueue(t, from.Journal, "mine", fixture.Day)
	var mine ports.Claim
	suite.Eventually(t, "the other is claimed", func() bool {
		for _, c := range fixture.Claim(t, from.Journal, "me", fixture.Lease, 1) {
			if c.ID == "mine" {
				mine = c
			}
		}
		return mine.ID != ""
	})
	fixture.Enqueue(t, from.Journal, "free", fixture.Day.Add(time.Second))
	fixture.Enqueue(t, from.Journal, "far", time.Now().Add(time.Hour))
	// The claim on "due" is lost. The test does not check the one by "me" again.
	move(t, from.Archive, to.Archive, ports.RecordSection)
	got := fixture.Get(t, to.Journal, "mine")
	if got.Owner != "me" || !got.Due.Equal(mine.Due) || got.Rev != mine.Rev || got.Queue != fixture.Queue {
		t.Errorf("got %+v, want owner me, due %v, rev %v, queue %v", got, mine.Due, mine.Rev, fixture.Queue)
	}
	mine.Queue, mine.Owner = "", ""
	fixture.Save(t, to.Journal, &mine.Record) // the claim is also valid in the copy
	seen := map[string]bool{}
	suite.Eventually(t, "what is due is claimed", func() bool {
		for _, c := range fixture.Claim(t, to.Journal, "next", fixture.Lease, 5) {
			seen[c.ID] = true
			if c.Expired == (c.ID == "free") {
				t.Errorf("%s is expired: got %v, want %v", c.ID, c.Expired, c.ID != "free")
			}
		}
		return seen["free"]
	})
	if seen["far"] || seen["mine"] {
		t.Errorf("claimed: got %v, want neither far nor mine", seen)
	}
}

func feedCopied(t *testing.T, from, to Harness) {
	for i := range 5 {
		r := fixture.Record(fmt.Sprint(i))
		r.Events = []event.Event{fixture.Event(fixture.Tenant, r.ID, i), fixture.Event(fixture.Other, r.ID, i+100)}
		if i == 3 {
			r.Events[0].Data = nil
		}
		fixture.Save(t, from.Journal, &r)
	}
	fixture.Publish(t, from.Journal)
	if err := to.Journal.Ping(t.Context()); err != nil { // a store that has been written to before
		t.Fatal(err)
	}
	for _, section := range []ports.Section{ports.RecordSection, ports.FeedSection} {
		move(t, from.Archive, to.Archive, section)
	}
	if got, want := fmt.Sprint(fixture.Feed(t, to.Journal, ports.AllTenants)), fmt.Sprint(fixture.Feed(t, from.Journal, ports.AllTenants)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	goesOn := func(id string, want int64) {
		t.Helper()
		r := fixture.Record(id)
		r.Events = []event.Event{fixture.Event(fixture.Tenant, r.ID, int(want))}
		fixture.Save(t, to.Journal, &r)
		fixture.Publish(t, to.Journal)
		all := fixture.Feed(t, to.Journal, ports.AllTenants)
		if last := all[len(all)-1]; last.Seq != want || last.Subject != r.ID {
			t.Errorf("it goes on with %+v, want number %d", last, want)
		}
	}
	goesOn("next", 11)
	if err := to.Archive.Remove(t.Context(), ports.FeedSection, ports.FeedKey(11)); err != nil {
		t.Fatal(err)
	}
	goesOn("again", 11)
}

func pagesAreBounded(t *testing.T, from, _ Harness) {
	for i := range 5 {
		r := fixture.Record(fmt.Sprint(i))
		r.Body = bytes.Repeat([]byte{byte(i)}, ports.ArchivePage/2)
		fixture.Save(t, from.Journal, &r)
	}
	var sizes []int
	for after := ""; ; {
		page, next, err := from.Archive.Scan(t.Context(), ports.RecordSection, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		if after = next; after == "" {
			break
		}
		sizes = append(sizes, len(page))
	}
	if fmt.Sprint(sizes) != "[2 2 1]" {
		t.Errorf("pages of %v, want \"[2 2 1]\"", sizes)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := from.Archive.Scan(ended, ports.RecordSection, "", 4)
	suite.WantKind(t, err, fault.Unavailable)
}

func putRefused(t *testing.T, from, to Harness) {
	r := fixture.Record("a")
	r.Idem, r.Ref = "i", "r"
	fixture.Save(t, from.Journal, &r)
	move(t, from.Archive, to.Archive, ports.RecordSection)
	for name, change := range map[string]func(r *ports.Record){
		"the id":   func(*ports.Record) {},
		"the idem": func(r *ports.Record) { r.ID, r.Ref = "b", "" },
		"the ref":  func(r *ports.Record) { r.ID, r.Idem = "c", "" },
	} {
		taken := r
		taken.Body = []byte("another")
		change(&taken)
		if err := to.Archive.Put(t.Context(), ports.RecordSection, ports.Entry{Record: &taken}); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s is taken: got %v, want kind %v", name, err, fault.Conflict)
		}
	}
	if got := scan(t, to.Archive, ports.RecordSection); len(got) != 1 || got[0].Digest() != (ports.Entry{Record: &r}).Digest() {
		t.Errorf("got %v, want 1 entry, digest %v", keysOf(got), (ports.Entry{Record: &r}).Digest())
	}
}

func movedValueCopied(t *testing.T, from, to Harness) {
	a, b := fixture.Record("a"), fixture.Record("b")
	a.Idem, b.Idem = "one", "two"
	fixture.Save(t, from.Journal, &a)
	fixture.Save(t, from.Journal, &b)
	move(t, from.Archive, to.Archive, ports.RecordSection)
	a.Idem = ""
	fixture.Save(t, from.Journal, &a)
	b.Idem = "one"
	fixture.Save(t, from.Journal, &b)
	a.Idem = "two"
	fixture.Save(t, from.Journal, &a)
	if err := to.Archive.Remove(t.Context(), ports.RecordSection, keysOf(scan(t, to.Archive, ports.RecordSection))...); err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.RecordSection)
	if got, err := to.Journal.Find(t.Context(), fixture.Kind, ports.ByIdem, "one"); err != nil || got.ID != "b" {
		t.Errorf("got %+v, %v, want ID b", got, err)
	}
}

func removedByName(t *testing.T, from, _ Harness) {
	for _, of := range []string{fixture.Tenant, fixture.Other} {
		for _, id := range []string{"a", "b", "c"} {
			r := fixture.Record(id)
			r.Tenant, r.Idem, r.Events = of, of+id, []event.Event{fixture.Event(of, of+id, 1)}
			fixture.Save(t, from.Journal, &r)
		}
	}
	fixture.Publish(t, from.Journal)
	gone := []string{ports.RecordKey(fixture.Kind, fixture.Tenant, "a"), ports.RecordKey(fixture.Kind, fixture.Other, "b"), ports.RecordKey(fixture.Kind, fixture.Tenant, "nobody")}
	if err := from.Archive.Remove(t.Context(), ports.RecordSection, gone...); err != nil {
		t.Fatal(err)
	}
	if err := from.Archive.Remove(t.Context(), ports.FeedSection, ports.FeedKey(2), ports.FeedKey(99)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(keysOf(scan(t, from.Archive, ports.RecordSection)), " "); got != "thing|acme|b thing|acme|c thing|globex|a thing|globex|c" {
		t.Errorf("left: got %s, want \"thing|acme|b thing|acme|c thing|globex|a thing|globex|c\"", got)
	}
	if got := strings.Join(keysOf(scan(t, from.Archive, ports.FeedSection)), " "); got != "1 3 4 5 6" {
		t.Errorf("left: got %s, want \"1 3 4 5 6\"", got)
	}
	again := fixture.Record("a")
	again.Idem = fixture.Tenant + "a"
	fixture.Save(t, from.Journal, &again) // its unique values are free again
}
