package contract

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
)

// ArchiveHarness is an empty store for one case: its archive and its journal.
type ArchiveHarness struct {
	Archive ports.Archive
	Journal ports.Journal
}

// Archive runs the suite for ports.Archive. open makes an empty store.
func Archive(t *testing.T, open func(t *testing.T) ArchiveHarness) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, from, to ArchiveHarness)
	}{
		{"an empty store has nothing", nothingThere},
		{"every record comes across as it is", recordsMoved},
		{"children come across with their record, and go with it", childrenMoved},
		{"what waits and what is claimed waits and is claimed there", queuesMoved},
		{"the feed goes on after its last number", feedMoved},
		{"a page ends with its limit, and where it is large", pagesBounded},
		{"what is taken is refused", putRefused},
		{"a value that went from one record to another comes across", valueMoved},
		{"what is named is removed, and nothing else", removedByName},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t), open(t))
		})
	}
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
			t.Fatalf("a page of %d", len(page))
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
		t.Errorf("%s: %v of %d entries became %v", section, keysOf(entries), len(entries), slices.Sorted(maps.Keys(got)))
	}
	asked, err := to.Digests(t.Context(), section, append(slices.Collect(maps.Keys(want)), "no|such|thing", "0")...)
	if err != nil || !maps.Equal(want, asked) {
		t.Errorf("%s: asked for by key: %v, %v", section, slices.Sorted(maps.Keys(asked)), err)
	}
}

func nothingThere(t *testing.T, from, _ ArchiveHarness) {
	for _, section := range ports.Sections() {
		if all := scan(t, from.Archive, section); len(all) != 0 {
			t.Errorf("%s: %v", section, keysOf(all))
		}
		if found, err := from.Archive.Digests(t.Context(), section, "a|b|c", "1"); err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", section, found, err)
		}
	}
}

func recordsMoved(t *testing.T, from, to ArchiveHarness) {
	full := record("full")
	full.Idem, full.Ref = "acme|route|k", "stripe:pi_1"
	full.Index = ports.Index{Status: "open", Customer: "cus_1", Created: day.Add(123457 * time.Microsecond), Flag: "open", Flagged: day.Add(time.Microsecond)}
	again := record("again")
	theirs := record("full")
	theirs.Tenant = other
	nobodys := record("of no tenant|with bars|in it")
	nobodys.Tenant = ""
	foreign := record("Łovelace 李 🎉")
	foreign.Kind, foreign.Idem, foreign.Index.Customer = "more things", "ключ%_'\"", "schlüssel"
	large := record("large")
	large.Content = bytes.Repeat([]byte{0, 0xff, '"'}, 100_000)
	large.Body = make([]byte, 1<<20)
	for i := range large.Body {
		large.Body[i] = byte(i * i >> 8)
	}
	for _, r := range []*ports.Record{&full, &again, &theirs, &nobodys, &foreign, &large} {
		save(t, from.Journal, r)
	}
	save(t, from.Journal, &again) // now at revision 2
	move(t, from.Archive, to.Archive, ports.RecordSection)

	for _, want := range []ports.Record{full, again, theirs, nobodys, foreign, large} {
		got, err := to.Journal.Get(t.Context(), want.Tenant, want.Kind, want.ID)
		if err != nil || got.Rev != want.Rev || got.Idem != want.Idem || got.Ref != want.Ref || got.Index != want.Index || !bytes.Equal(got.Body, want.Body) {
			t.Errorf("%s: %v, %d bytes, %+v", want.ID, err, len(got.Body), got.Index)
		}
	}
	if got, err := to.Journal.Find(t.Context(), kind, ports.ByRef, "stripe:pi_1"); err != nil || got.ID != "full" {
		t.Errorf("%+v, %v", got, err)
	}
	if ids, _ := listed(t, to.Journal, ports.Filter{Status: "open", Customer: "cus_1"}, "", 9); fmt.Sprint(ids) != "[full]" {
		t.Errorf("listed: %v", ids)
	}
	wantCounted(t, to.Journal, "[1 from 1µs]", ports.Set{Kind: kind, Flag: "open"})
	stale, twin := again, record("twin")
	stale.Rev, twin.Idem = 1, full.Idem
	wantKind(t, to.Journal.Save(t.Context(), &stale)[0], fault.Conflict)
	wantKind(t, to.Journal.Save(t.Context(), &twin)[0], fault.Conflict)
	save(t, to.Journal, &again)
	if got := get(t, to.Journal, "again"); got.Rev != 3 {
		t.Errorf("a save made revision %d of 2", got.Rev)
	}
}

func childrenMoved(t *testing.T, from, to ArchiveHarness) {
	attach(t, from.Journal, "early", 2)
	attach(t, from.Journal, "late", 2)
	attach(t, from.Journal, "whole", 2)
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
		part(func(r *ports.Record) bool { return r.Parent == kind+"|early" }), part(func(r *ports.Record) bool { return r.ID == "early" }),
		part(func(r *ports.Record) bool { return r.ID == "late" }), part(func(r *ports.Record) bool { return r.Parent == kind+"|late" }),
		part(func(r *ports.Record) bool { return r.ID == "whole" || r.Parent == kind+"|whole" }),
	} {
		if err := to.Archive.Put(t.Context(), ports.RecordSection, some...); err != nil {
			t.Fatal(err)
		}
	}
	if got := digests(scan(t, to.Archive, ports.RecordSection)); !maps.Equal(got, digests(entries)) {
		t.Errorf("%v", got)
	}
	sweep(t, to.Journal)
	if got := offspring(t, to.Journal); len(got) != 6 {
		t.Fatalf("after a sweep: %v", got)
	}
	late := get(t, to.Journal, "late")
	if err := to.Journal.Detach(t.Context(), &late); err != nil {
		t.Fatal(err)
	}
	if got := offspring(t, to.Journal); len(got) != 4 {
		t.Errorf("after one was detached: %v", got)
	}
	if n, err := to.Journal.Purge(t.Context(), tenant, kind, day.Add(time.Hour), 3); err != nil || n != 3 {
		t.Fatalf("purged %d, %v", n, err)
	}
	if got := offspring(t, to.Journal); len(got) != 0 {
		t.Errorf("left of records that are gone: %v", got)
	}
}

func queuesMoved(t *testing.T, from, to ArchiveHarness) {
	waiting(t, from.Journal, "due", day)
	if c := claim(t, from.Journal, "dead", time.Millisecond, 1); len(c) != 1 {
		t.Fatalf("%+v", c)
	}
	waiting(t, from.Journal, "mine", day)
	var mine ports.Claim
	soon(t, "the other is claimed", func() bool {
		for _, c := range claim(t, from.Journal, "me", long, 1) {
			if c.ID == "mine" {
				mine = c
			}
		}
		return mine.ID != ""
	})
	waiting(t, from.Journal, "free", day.Add(time.Second))
	waiting(t, from.Journal, "far", time.Now().Add(time.Hour))
	// The claim on "due" is lost. The test does not check the one by "me" again.
	move(t, from.Archive, to.Archive, ports.RecordSection)
	got := get(t, to.Journal, "mine")
	if got.Owner != "me" || !got.Due.Equal(mine.Due) || got.Rev != mine.Rev || got.Queue != queue {
		t.Errorf("%+v", got)
	}
	mine.Queue, mine.Owner = "", ""
	save(t, to.Journal, &mine.Record) // the claim is also valid in the copy
	seen := map[string]bool{}
	soon(t, "what is due is claimed", func() bool {
		for _, c := range claim(t, to.Journal, "heir", long, 5) {
			seen[c.ID] = true
			if c.Expired == (c.ID == "free") {
				t.Errorf("%s is expired: %v", c.ID, c.Expired)
			}
		}
		return seen["free"]
	})
	if seen["far"] || seen["mine"] {
		t.Errorf("claimed: %v", seen)
	}
}

func feedMoved(t *testing.T, from, to ArchiveHarness) {
	for i := range 5 {
		r := record(fmt.Sprint(i))
		r.Events = []event.Event{note(tenant, r.ID, i), note(other, r.ID, i+100)}
		if i == 3 {
			r.Events[0].Data = nil
		}
		save(t, from.Journal, &r)
	}
	publish(t, from.Journal)
	if err := to.Journal.Ping(t.Context()); err != nil { // a store that has been written to before
		t.Fatal(err)
	}
	for _, section := range []ports.Section{ports.RecordSection, ports.FeedSection} {
		move(t, from.Archive, to.Archive, section)
	}
	if got, want := fmt.Sprint(feed(t, to.Journal, ports.AllTenants)), fmt.Sprint(feed(t, from.Journal, ports.AllTenants)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	goesOn := func(id string, want int64) {
		t.Helper()
		r := record(id)
		r.Events = []event.Event{note(tenant, r.ID, int(want))}
		save(t, to.Journal, &r)
		publish(t, to.Journal)
		all := feed(t, to.Journal, ports.AllTenants)
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

func pagesBounded(t *testing.T, from, _ ArchiveHarness) {
	for i := range 5 {
		r := record(fmt.Sprint(i))
		r.Body = bytes.Repeat([]byte{byte(i)}, ports.ArchivePage/2)
		save(t, from.Journal, &r)
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
		t.Errorf("pages of %v", sizes)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := from.Archive.Scan(ended, ports.RecordSection, "", 4)
	wantKind(t, err, fault.Unavailable)
}

func putRefused(t *testing.T, from, to ArchiveHarness) {
	r := record("a")
	r.Idem, r.Ref = "i", "r"
	save(t, from.Journal, &r)
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
			t.Errorf("%s is taken: %v", name, err)
		}
	}
	if got := scan(t, to.Archive, ports.RecordSection); len(got) != 1 || got[0].Digest() != (ports.Entry{Record: &r}).Digest() {
		t.Errorf("%v", keysOf(got))
	}
}

func valueMoved(t *testing.T, from, to ArchiveHarness) {
	a, b := record("a"), record("b")
	a.Idem, b.Idem = "one", "two"
	save(t, from.Journal, &a)
	save(t, from.Journal, &b)
	move(t, from.Archive, to.Archive, ports.RecordSection)
	a.Idem = ""
	save(t, from.Journal, &a)
	b.Idem = "one"
	save(t, from.Journal, &b)
	a.Idem = "two"
	save(t, from.Journal, &a)
	if err := to.Archive.Remove(t.Context(), ports.RecordSection, keysOf(scan(t, to.Archive, ports.RecordSection))...); err != nil {
		t.Fatal(err)
	}
	move(t, from.Archive, to.Archive, ports.RecordSection)
	if got, err := to.Journal.Find(t.Context(), kind, ports.ByIdem, "one"); err != nil || got.ID != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}

func removedByName(t *testing.T, from, _ ArchiveHarness) {
	for _, of := range []string{tenant, other} {
		for _, id := range []string{"a", "b", "c"} {
			r := record(id)
			r.Tenant, r.Idem, r.Events = of, of+id, []event.Event{note(of, of+id, 1)}
			save(t, from.Journal, &r)
		}
	}
	publish(t, from.Journal)
	gone := []string{ports.RecordKey(kind, tenant, "a"), ports.RecordKey(kind, other, "b"), ports.RecordKey(kind, tenant, "nobody")}
	if err := from.Archive.Remove(t.Context(), ports.RecordSection, gone...); err != nil {
		t.Fatal(err)
	}
	if err := from.Archive.Remove(t.Context(), ports.FeedSection, ports.FeedKey(2), ports.FeedKey(99)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(keysOf(scan(t, from.Archive, ports.RecordSection)), " "); got != "thing|acme|b thing|acme|c thing|globex|a thing|globex|c" {
		t.Errorf("left: %s", got)
	}
	if got := strings.Join(keysOf(scan(t, from.Archive, ports.FeedSection)), " "); got != "1 3 4 5 6" {
		t.Errorf("left: %s", got)
	}
	again := record("a")
	again.Idem = tenant + "a"
	save(t, from.Journal, &again) // its unique values are free again
}
