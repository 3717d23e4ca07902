package events_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/core/event"
	"patchbay/core/events"
	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// rig is a feed on a journal in memory.
type rig struct {
	*events.Service
	journal *memjournal.Journal
	told    int
}

func newRig() *rig {
	journal := memjournal.New(clock.System{})
	return &rig{Service: events.New(journal), journal: journal}
}

// tell adds n events of a tenant to the feed. Their ids count all events.
func (r *rig) tell(t *testing.T, tenant string, n int) {
	t.Helper()
	for range n {
		r.told++
		id := fmt.Sprint("fev_", r.told)
		record := &ports.Record{Tenant: tenant, Kind: "k", ID: id, Body: []byte("{}"), Events: []event.Event{{ID: id, Tenant: tenant}}}
		if err := r.journal.Save(t.Context(), record)[0]; err != nil {
			t.Fatal(err)
		}
	}
}

// wantPage reads a page and returns the cursor after it. want are the numbers of its events, in
// order.
func (r *rig) wantPage(t *testing.T, tenant, cursor string, limit int, want ...int) (next string) {
	t.Helper()
	read, next, err := r.Read(t.Context(), tenant, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range read {
		got = append(got, e.ID)
	}
	var ids []string
	for _, n := range want {
		ids = append(ids, fmt.Sprint("fev_", n))
	}
	if !slices.Equal(got, ids) {
		t.Errorf("after %q: %v, want %v", cursor, got, ids)
	}
	if next == "" {
		t.Errorf("after %q: got no cursor, want one: a reader without one reads everything again", cursor)
	}
	return next
}

func TestPagesAreOldestFirstAndMeet(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 5)
	next := r.wantPage(t, "acme", "", 2, 1, 2)
	next = r.wantPage(t, "acme", next, 2, 3, 4)
	next = r.wantPage(t, "acme", next, 2, 5)
	r.wantPage(t, "acme", "", 100, 1, 2, 3, 4, 5)
	r.wantPage(t, "acme", next, 2)
}

// A reader at the end of the feed gets exactly the events that come after it.
func TestTheCursorAtTheEndLeadsToTheNextEvent(t *testing.T) {
	t.Parallel()
	r := newRig()
	begin := r.wantPage(t, "acme", "", 10)
	r.tell(t, "acme", 2)
	end := r.wantPage(t, "acme", begin, 10, 1, 2)
	if again := r.wantPage(t, "acme", end, 10); again != end {
		t.Errorf("the cursor at the end: got %q, want %q", again, end)
	}
	r.tell(t, "acme", 1)
	r.wantPage(t, "acme", end, 10, 3)
}

// The numbers of the feed count the events of all tenants; each tenant sees its own, and cannot
// use the cursor of another.
func TestATenantReadsItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 1)
	r.tell(t, "umbrella", 2)
	r.tell(t, "acme", 1)
	r.tell(t, "umbrella", 1)
	theirs := r.wantPage(t, "umbrella", "", 10, 2, 3, 5)
	next := r.wantPage(t, "acme", "", 1, 1)
	r.wantPage(t, "acme", next, 10, 4)
	r.wantGone(t, "acme", theirs)
	r.wantPage(t, "nobody", "", 10)
	r.wantPage(t, "", "", 10)
}

// Cursors of versions that put no digest into them are accepted whatever event is at their place,
// and replaced by one with a digest. If there is no event at their place, they are no cursors: a
// word that somebody has typed is such a number, too.
func TestCursorsOfEarlierVersions(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 40)
	for _, tt := range []struct {
		cursor string
		want   []int
	}{
		{"0", []int{1, 2}},
		{"a", []int{11, 12}},  // 10 in base 36
		{"10", []int{37, 38}}, // 36
		{"14", nil},           // the last
	} {
		if next := r.wantPage(t, "acme", tt.cursor, 2, tt.want...); !strings.Contains(next, ".") {
			t.Errorf("%q leads to %q, want \".\" in it", tt.cursor, next)
		}
	}
	r.tell(t, "umbrella", 1) // 41
	for _, cursor := range []string{"15", "16", "zz", "garbage", "1y2p0ij32e8e7"} {
		r.wantInvalid(t, "acme", cursor)
	}
}

// wantInvalid checks that a cursor is refused as none of ours.
func (r *rig) wantInvalid(t *testing.T, tenant, cursor string) {
	t.Helper()
	if read, next, err := r.Read(t.Context(), tenant, cursor, 10); !fault.Is(err, fault.Invalid) ||
		fault.From(err).Param != "cursor" || fault.From(err).Code != "invalid_cursor" || read != nil || next != "" {
		t.Errorf("%q: %v, %q, %v; want invalid (invalid_cursor) at cursor", cursor, read, next, err)
	}
}

// wantGone checks that a cursor is refused because its event does not exist.
func (r *rig) wantGone(t *testing.T, tenant, cursor string) {
	t.Helper()
	read, next, err := r.Read(t.Context(), tenant, cursor, 10)
	if !fault.Is(err, fault.Conflict) || fault.From(err).Code != events.CodeGone || read != nil || next != "" {
		t.Errorf("%q: %v, %q, %v; want %s", cursor, read, next, err, events.CodeGone)
	}
}

// An older copy of the store is restored, and the feed continues from there.
func TestACursorIntoWhatAnOlderCopyDoesNotHaveIsGone(t *testing.T) {
	t.Parallel()
	before, after := newRig(), newRig()
	before.tell(t, "acme", 5)
	after.tell(t, "acme", 3)
	known := before.wantPage(t, "acme", "", 3, 1, 2, 3)
	fourth := before.wantPage(t, "acme", known, 1, 4)
	last := before.wantPage(t, "acme", fourth, 10, 5)

	after.wantGone(t, "acme", fourth) // absent
	after.wantGone(t, "acme", last)
	if end := after.wantPage(t, "acme", known, 10); end != known {
		t.Errorf("the cursor of an event of the copy: got %q, want %q", end, known)
	}
	after.told = 100 // what happens from now on is other than it was
	after.tell(t, "acme", 4)
	after.wantGone(t, "acme", fourth) // another
	after.wantGone(t, "acme", last)
	after.wantPage(t, "acme", known, 10, 101, 102, 103, 104)
	after.wantPage(t, "acme", "", 10, 1, 2, 3, 101, 102, 103, 104)
}

// A reader that has received nothing yet has missed nothing, whatever was restored.
func TestTheCursorBeforeTheFirstEventIsNeverGone(t *testing.T) {
	t.Parallel()
	before, after := newRig(), newRig()
	begin := before.wantPage(t, "acme", "", 10)
	after.tell(t, "umbrella", 2)
	after.tell(t, "acme", 1)
	after.wantPage(t, "acme", begin, 10, 3)
}

// An event so large that it fills a page does not hide what comes after it.
func TestALargeEventDoesNotHideTheNext(t *testing.T) {
	t.Parallel()
	r := newRig()
	large := event.Event{ID: "fev_1", Tenant: "acme", Data: []byte(`"` + strings.Repeat("x", ports.PageBytes) + `"`)}
	record := &ports.Record{Tenant: "acme", Kind: "k", ID: "large", Body: []byte("{}"), Events: []event.Event{large}}
	if err := r.journal.Save(t.Context(), record)[0]; err != nil {
		t.Fatal(err)
	}
	r.told = 1
	r.tell(t, "acme", 2)
	r.wantPage(t, "acme", r.wantPage(t, "acme", "", 1, 1), 10, 2, 3)
}

func TestACursorOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 40)
	for _, cursor := range []string{
		"-1", "-zz", "!", "1.5", "a b", " 1", "é", "\x00", strings.Repeat("z", 14),
		".", "1.", ".0000000000000", "0.0000000000000", "-1.0000000000000", "1.000000000000", "1.00000000000000", "1.000000000000Z", "1.0000000000000.0",
		"1.zzzzzzzzzzzzz", "1.+000000000001", "+1", "01", "A", "+1.0000000000000", "01.0000000000000", "A.0000000000000", // spelled otherwise than ours
	} {
		r.wantInvalid(t, "acme", cursor)
	}
}

func TestAFailingJournalReturnsItsError(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 1)
	r.journal.Fail = func(string) error { return fault.New(fault.Unavailable, "scripted", "") }
	if read, next, err := r.Read(t.Context(), "acme", "", 10); !fault.Is(err, fault.Unavailable) || read != nil || next != "" {
		t.Errorf("%v, %q, %v; want unavailable", read, next, err)
	}
}

// A cursor is one of ours or refused, and a cursor that is accepted is returned unchanged if there
// are no new events.
func FuzzCursor(f *testing.F) {
	r := newRig()
	for _, seed := range []string{"", "0", "1", "10", "zz", "-1", "+1", "Z", "1y2p0ij32e8e7", "1y2p0ij32e8e8", "!", "1.0000000000000", "a.zzzzzzzzzzzzz", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		_, next, err := r.Read(t.Context(), "acme", cursor, 10)
		if err != nil {
			if !fault.Is(err, fault.Invalid) && fault.From(err).Code != events.CodeGone {
				t.Errorf("%q: got %v, want kind %s or code %s", cursor, err, fault.Invalid, events.CodeGone)
			}
			return
		}
		at, err := strconv.ParseInt(next, 36, 64)
		if here, _ := strconv.ParseInt(cursor, 36, 64); err != nil || at != here || at < 0 {
			t.Fatalf("%q: next is %q (%v), want %v", cursor, next, err, here)
		}
		if again := r.wantPage(t, "acme", next, 10); again != next {
			t.Errorf("%q leads to %q: got %q next, want the same", cursor, next, again)
		}
	})
}
