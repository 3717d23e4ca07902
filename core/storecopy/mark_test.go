package storecopy_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/storecopy"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

func TestNothingIsCopiedIntoAStoreThatIsUsed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		prepare func(t *testing.T, r *rig)
		code    string
		says    string
	}{
		{"one with a record", func(t *testing.T, r *rig) {
			save(t, r.to, &ports.Record{Tenant: "t", Kind: "thing", ID: "theirs", Body: []byte("x")})
		}, "target_used", "holds data"},
		{"one with a user", func(t *testing.T, r *rig) {
			e := ports.Entry{User: &ports.StoredUser{User: user.User{ID: "usr_9", Tenant: "t"}}}
			if err := (memjournal.Archive{Journal: r.to}).Put(t.Context(), ports.UserSection, e); err != nil {
				t.Fatal(err)
			}
		}, "target_used", "holds data"},
		{"an empty one that a gateway serves on", func(t *testing.T, r *rig) { use(t, r.to) }, "target_used", "in use"},
		{"a copy that a gateway has served on", func(t *testing.T, r *rig) { r.done(t); use(t, r.to) }, "target_used", "in use"},
		{"a copy of another", func(t *testing.T, r *rig) {
			o := r.options()
			o.From.Name = "elsewhere"
			if _, err := storecopy.Copy(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}, "target_used", `copy of "elsewhere"`},
		{"from an unfinished copy", func(t *testing.T, r *rig) {
			o := storecopy.Options{From: storecopy.Side{Name: "x", Journal: r.to, Archive: memjournal.Archive{Journal: r.to}}, To: r.options().From, Clock: clock.System{}}
			r.from = memjournal.New(clock.System{})
			o.To.Journal, o.To.Archive = r.from, memjournal.Archive{Journal: r.from}
			r.from.Fail = func(op string) error {
				if op == memjournal.Digests || op == memjournal.Put {
					return errors.New("it ends here")
				}
				return nil
			}
			save(t, r.to, &ports.Record{Tenant: "t", Kind: "thing", ID: "one", Body: []byte("x")})
			if _, err := storecopy.Copy(t.Context(), o); err == nil {
				t.Fatal("it did not end")
			}
			r.from.Fail, r.to = nil, memjournal.New(clock.System{})
		}, "source_unfinished", "unfinished copy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			row.prepare(t, r)
			before := r.holds(t, r.to)
			report, err := storecopy.Copy(t.Context(), r.options())
			wantCode(t, err, row.code)
			if err == nil || !strings.Contains(err.Error(), row.says) || report != nil {
				t.Errorf("%v, %+v", err, report)
			}
			if !maps.Equal(before, r.holds(t, r.to)) {
				t.Error("it was changed")
			}
		})
	}
}

func use(t *testing.T, j ports.Journal) {
	t.Helper()
	if err := tryUse(t, j); err != nil {
		t.Fatal(err)
	}
}

// A gateway may begin to use the target while something is copied into it: where it
// was marked before, it is refused; where not, the copy is.
func TestWhoComesFirstHasTheTarget(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.done(t)
	used := false
	r.to.Fail = func(op string) error {
		if op == memjournal.Save && !used {
			used = true
			use(t, r.to)
		}
		return nil
	}
	before := r.holds(t, r.to)
	r.change(t)
	_, err := storecopy.Copy(t.Context(), r.options())
	wantCode(t, err, "target_taken")
	if !maps.Equal(before, r.holds(t, r.to)) {
		t.Error("it was changed")
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 {
		use(t, r.from)
	}
	if mark, err := r.from.Get(t.Context(), "", "store", "mark"); err != nil || mark.Rev != 1 {
		t.Errorf("%+v, %v: a store that is in use is written to again", mark, err)
	}
	lost := 0
	r.to.Fail = func(op string) error {
		if op == memjournal.Saved && lost < 2 {
			lost++
			return fault.New(fault.UnknownOutcome, "told_to", "the answer is lost")
		}
		return nil
	}
	use(t, r.to)
	r.to.Fail = func(string) error { return fault.New(fault.Unavailable, "told_to", "it is gone") }
	if err := tryUse(t, r.to); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a store that is gone: %v", err)
	}
}

func tryUse(t *testing.T, j ports.Journal) error {
	t.Helper()
	_, err := storecopy.Use(t.Context(), j, clock.System{}, false)
	return err
}

// Both would answer to the same keys.
func TestAStoreThatWasMovedIsNotUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	use(t, r.from)
	r.done(t)
	wantCode(t, tryUse(t, r.from), "store_moved")
	r.done(t) // a copy may be made again, into the same store
	o := r.options()
	o.To.Name = "elsewhere"
	_, err := storecopy.Copy(t.Context(), o)
	wantCode(t, err, "source_moved")
	if to, err := storecopy.MovedTo(t.Context(), r.from, clock.System{}); err != nil || to != "there" {
		t.Errorf("moved to %q, %v", to, err)
	}
}

func TestAStoreThatWasMovedIsOpenedAgain(t *testing.T) {
	t.Parallel()
	reopen := func(t *testing.T, r *rig, there, force bool) error {
		copied := storecopy.Side{Name: "there"}
		if there {
			copied = r.options().To
		}
		return storecopy.Reopen(t.Context(), r.options().From, copied, clock.System{}, force)
	}
	t.Run("the copy is not used then", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		wantCode(t, reopen(t, r, true, false), "store_not_moved")
		r.done(t)
		if err := reopen(t, r, true, false); err != nil {
			t.Fatal(err)
		}
		use(t, r.from)
		wantCode(t, tryUse(t, r.to), "unfinished_copy")
		r.done(t)
		use(t, r.to)
	})
	t.Run("a copy that was served from must be meant", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.done(t)
		use(t, r.to)
		wantCode(t, reopen(t, r, true, false), "copy_used")
		wantCode(t, tryUse(t, r.from), "store_moved")
		if err := reopen(t, r, true, true); err != nil {
			t.Fatal(err)
		}
		use(t, r.from)
	})
	t.Run("so must one that is not at hand", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.done(t)
		wantCode(t, reopen(t, r, false, false), "copy_used")
		if err := reopen(t, r, false, true); err != nil {
			t.Fatal(err)
		}
		use(t, r.from)
	})
}

// When an older copy was put back is kept with the store, and goes with it.
func TestAStoreThatWasPutBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if last, err := storecopy.Use(t.Context(), memjournal.New(clock.System{}), clock.System{}, true); err != nil || last.At.IsZero() || !last.Unrecalled {
		t.Errorf("an empty store in place of one that was lost: %+v, %v", last, err)
	}
	use(t, r.from)
	last, err := storecopy.Use(t.Context(), r.from, clock.System{}, true)
	if err != nil || last.At.IsZero() || !last.Unrecalled {
		t.Fatalf("it was put back: %+v, %v", last, err)
	}
	r.done(t)
	for _, j := range []ports.Journal{r.to, r.to} {
		if again, err := storecopy.Use(t.Context(), j, clock.System{}, false); err != nil || !same(again, last) {
			t.Errorf("it was put back: %+v, and later %+v, %v", last, again, err)
		}
	}
}

func same(a, b storecopy.Restore) bool {
	return a.At.Equal(b.At) && a.Since.Equal(b.Since) && a.Unrecalled == b.Unrecalled
}

// What the copy may not know begins with the last event that it has. As long as that is not
// recalled it is not forgotten, though another copy is put back.
func TestWhatAnOlderCopyMayNotKnow(t *testing.T) {
	t.Parallel()
	j := memjournal.New(clock.System{})
	use(t, j)
	written := func(id string, at time.Time) {
		save(t, j, &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("x"), Events: []event.Event{{ID: "fev_" + id, Tenant: "t", Type: "x", At: at}}})
	}
	var pays []string
	restore := func(older bool) storecopy.Restore {
		t.Helper()
		last, err := storecopy.Use(t.Context(), j, clock.System{}, older, pays...)
		if err != nil {
			t.Fatal(err)
		}
		return last
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	recalled := func(at time.Time) {
		t.Helper()
		if err := storecopy.Recalled(t.Context(), j, clock.System{}, at); err != nil {
			t.Fatal(err)
		}
	}
	written("one", day(1))
	pays = []string{"here"}
	first := restore(true)
	if !first.Since.Equal(day(1)) || !first.Unrecalled {
		t.Errorf("the first: %+v", first)
	}
	written("two", day(2))
	pays = []string{"there", "here"}
	second := restore(true)
	if !second.Since.Equal(day(1)) || !second.Unrecalled || second.At.Equal(first.At) || !slices.Equal(second.Providers, []string{"here", "there"}) {
		t.Errorf("the second, before the first is recalled: %+v", second)
	}
	recalled(first.At)
	if last := restore(false); !last.Unrecalled {
		t.Errorf("the second, when the first is recalled: %+v", last)
	}
	recalled(second.At)
	if last := restore(false); last.Unrecalled || !last.At.Equal(second.At) || len(last.Providers) > 0 {
		t.Errorf("the second, when it is recalled: %+v", last)
	}
	pays = []string{"elsewhere"}
	if third := restore(true); !third.Since.Equal(day(2)) || !third.Unrecalled || !slices.Equal(third.Providers, []string{"elsewhere", "here", "there"}) {
		t.Errorf("the third: %+v, want those configured before and after", third)
	}
}

func TestOnlyThePaymentProvidersOfTheLastStartAreKept(t *testing.T) {
	t.Parallel()
	j := memjournal.New(clock.System{})
	for _, pays := range [][]string{{"first", "second"}, {"first"}, nil, {"first"}} {
		if _, err := storecopy.Use(t.Context(), j, clock.System{}, false, pays...); err != nil {
			t.Fatal(err)
		}
	}
	last, err := storecopy.Use(t.Context(), j, clock.System{}, true, "third")
	if err != nil || !slices.Equal(last.Providers, []string{"first", "third"}) {
		t.Errorf("got %v, %v, want first and third", last.Providers, err)
	}
}

// What an older copy held is older wherever it is copied to, until a gateway has found out.
func TestACopyOfAnOlderCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	o.From.Older = true
	if _, err := storecopy.Copy(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	last, err := storecopy.Use(t.Context(), r.to, clock.System{}, false)
	if err != nil || last.At.IsZero() {
		t.Fatalf("it was put back: %+v, %v", last, err)
	}
	if again, err := storecopy.Use(t.Context(), r.to, clock.System{}, false); err != nil || !same(again, last) {
		t.Errorf("it was put back: %+v, and later %+v, %v", last, again, err)
	}
}

func TestAFeedIsBehindAPoint(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 3, 7, 8, 100} {
		j := memjournal.New(clock.System{})
		ids := []string{""}
		for i := 1; i <= n; i++ {
			id := fmt.Sprint("fev_", i)
			ids = append(ids, id)
			save(t, j, &ports.Record{Tenant: "t", Kind: "thing", ID: id, Body: []byte("x"), Events: []event.Event{{ID: id, Tenant: "t", At: day}}})
		}
		for from := range ids {
			p := storecopy.Point{Seq: int64(from), ID: ids[from]}
			if at, err := p.Latest(t.Context(), j); err != nil || at != (storecopy.Point{Seq: int64(n), ID: ids[n]}) {
				t.Errorf("%d events, from %d: %+v, %v", n, from, at, err)
			}
			if behind, err := p.Behind(t.Context(), j); err != nil || behind {
				t.Errorf("%d events are behind %d: %v, %v", n, from, behind, err)
			}
		}
		for _, p := range []storecopy.Point{{Seq: int64(n) + 1, ID: "fev_next"}, {Seq: 1, ID: "fev_other"}} {
			if behind, err := p.Behind(t.Context(), j); err != nil || !behind {
				t.Errorf("%d events are not behind %+v, %v", n, p, err)
			}
		}
	}
}
