package feed_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/adapters/sys"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/feed"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// rig is a feed on a journal in memory.
type rig struct {
	*feed.Service
	journal *memjournal.Journal
	told    int
}

func newRig() *rig {
	journal := memjournal.New(sys.Clock{})
	return &rig{Service: feed.New(journal), journal: journal}
}

// tell puts n events of a tenant into the feed, whose ids count all that was told.
func (r *rig) tell(t *testing.T, tenant string, n int) {
	t.Helper()
	for range n {
		r.told++
		id := fmt.Sprint("fev_", r.told)
		record := &ports.Record{Tenant: tenant, Kind: "k", ID: id, Body: []byte("{}"), Events: []event.Feed{{ID: id, Tenant: tenant}}}
		if err := r.journal.Save(t.Context(), record)[0]; err != nil {
			t.Fatal(err)
		}
	}
}

// wantPage reads a page and returns the cursor after it. want are the numbers of
// the events, in order.
func (r *rig) wantPage(t *testing.T, tenant, cursor string, limit int, want ...int) (next string) {
	t.Helper()
	events, next, err := r.Read(t.Context(), tenant, cursor, limit)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
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
		t.Errorf("after %q: no cursor; a reader that begins again with none reads all again", cursor)
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

// A reader that is at the end waits there: what comes next is all it gets.
func TestTheEndIsWhereWhatComesNextWillBe(t *testing.T) {
	t.Parallel()
	r := newRig()
	begin := r.wantPage(t, "acme", "", 10)
	r.tell(t, "acme", 2)
	end := r.wantPage(t, "acme", begin, 10, 1, 2)
	if again := r.wantPage(t, "acme", end, 10); again != end {
		t.Errorf("the end moved from %q to %q with nothing told", end, again)
	}
	r.tell(t, "acme", 1)
	r.wantPage(t, "acme", end, 10, 3)
}

// The numbers of the feed are one row over all tenants; what each sees of it is
// its own, and a cursor of another tenant's opens nothing.
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
	r.wantPage(t, "acme", theirs, 10)
	r.wantPage(t, "nobody", "", 10)
	r.wantPage(t, "", "", 10)
}

// Cursors are shorter than numbers, and not to be counted with.
func TestCursorsBeyondNine(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 40)
	next := r.wantPage(t, "acme", "", 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	if next != "a" {
		t.Errorf("the cursor after the tenth is %q, want %q as readers have stored it", next, "a")
	}
	next = r.wantPage(t, "acme", "10", 1, 37) // 36, written in base 36
	r.wantPage(t, "acme", next, 100, 38, 39, 40)
}

func TestACursorOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig()
	for _, cursor := range []string{"-1", "-zz", "!", "1.5", "a b", " 1", "é", "\x00", strings.Repeat("z", 14)} {
		if events, next, err := r.Read(t.Context(), "acme", cursor, 10); !fault.Is(err, fault.Invalid) ||
			fault.From(err).Param != "cursor" || fault.From(err).Code != "invalid_cursor" || events != nil || next != "" {
			t.Errorf("%q: %v, %q, %v; want invalid (invalid_cursor) at cursor", cursor, events, next, err)
		}
	}
}

func TestAJournalThatFailsIsNotTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.tell(t, "acme", 1)
	r.journal.Fail = func(string) error { return fault.New(fault.Unavailable, "scripted", "") }
	if events, next, err := r.Read(t.Context(), "acme", "", 10); !fault.Is(err, fault.Unavailable) || events != nil || next != "" {
		t.Errorf("%v, %q, %v; want unavailable", events, next, err)
	}
}

// A cursor is one of ours or refused; one that is taken leads on from where it
// says, and is given back as it is when nothing came.
func FuzzCursor(f *testing.F) {
	r := newRig()
	for _, seed := range []string{"", "0", "1", "10", "zz", "-1", "+1", "Z", "1y2p0ij32e8e7", "1y2p0ij32e8e8", "!"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		_, next, err := r.Read(t.Context(), "acme", cursor, 10)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		at, err := strconv.ParseInt(next, 36, 64)
		if here, _ := strconv.ParseInt(cursor, 36, 64); err != nil || at != here || at < 0 {
			t.Fatalf("%q: next is %q (%v)", cursor, next, err)
		}
		if again := r.wantPage(t, "acme", next, 10); again != next {
			t.Errorf("%q leads to %q, and that to %q", cursor, next, again)
		}
	})
}
