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

func TestACopyThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		prepare func(t *testing.T, r *rig)
		code    string
		says    string
	}{
		{"into a store with a record", func(t *testing.T, r *rig) {
			save(t, r.to, &ports.Record{Tenant: "t", Kind: "thing", ID: "theirs", Body: []byte("x")})
		}, "target_used", "holds data"},
		{"into a store with a user", func(t *testing.T, r *rig) {
			e := ports.Entry{User: &ports.StoredUser{User: user.User{ID: "usr_9", Tenant: "t"}}}
			if err := (memjournal.Archive{Journal: r.to}).Put(t.Context(), ports.UserSection, e); err != nil {
				t.Fatal(err)
			}
		}, "target_used", "holds data"},
		{"into an empty store that is in use", func(t *testing.T, r *rig) { use(t, r.to) }, "target_used", "in use"},
		{"into a copy that was in use", func(t *testing.T, r *rig) { r.done(t); use(t, r.to) }, "target_used", "in use"},
		{"into a copy of another store", func(t *testing.T, r *rig) {
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
					return errors.New("interrupted")
				}
				return nil
			}
			save(t, r.to, &ports.Record{Tenant: "t", Kind: "thing", ID: "one", Body: []byte("x")})
			if _, err := storecopy.Copy(t.Context(), o); err == nil {
				t.Fatal("the copy was not interrupted")
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
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("error = %v, want %q in it", err, row.says)
			}
			if report != nil {
				t.Errorf("report = %+v, want none", report)
			}
			if !maps.Equal(before, r.holds(t, r.to)) {
				t.Error("the target was changed")
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

// A gateway may begin to use the target while a copy begins.
func TestACopyIsRefusedIfAGatewayUsesTheTargetFirst(t *testing.T) {
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
		t.Error("the target was changed")
	}
}

func TestUseWritesTheMarkOnceAndSurvivesLostAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 2 {
		use(t, r.from)
	}
	if mark, err := r.from.Get(t.Context(), "", "store", "mark"); err != nil || mark.Rev != 1 {
		t.Errorf("revision of the mark after two calls = %d, %v, want 1", mark.Rev, err)
	}
	lost := 0
	r.to.Fail = func(op string) error {
		if op == memjournal.Saved && lost < 2 {
			lost++
			return fault.New(fault.UnknownOutcome, "scripted", "the answer is lost")
		}
		return nil
	}
	use(t, r.to)
	r.to.Fail = func(string) error { return fault.New(fault.Unavailable, "scripted", "") }
	if err := tryUse(t, r.to); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Use of an unavailable store: error = %v, want kind %s", err, fault.Unavailable)
	}
}

func tryUse(t *testing.T, j ports.Journal) error {
	t.Helper()
	_, err := storecopy.Use(t.Context(), j, clock.System{}, false)
	return err
}

// Both stores would accept the same keys.
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
		t.Errorf("MovedTo = %q, %v, want %q", to, err, "there")
	}
}

func TestReopenOfAStoreThatWasMoved(t *testing.T) {
	t.Parallel()
	reopen := func(t *testing.T, r *rig, available, force bool) error {
		copied := storecopy.Side{Name: "there"}
		if available {
			copied = r.options().To
		}
		return storecopy.Reopen(t.Context(), r.options().From, copied, clock.System{}, force)
	}
	t.Run("makes the copy an unfinished one", func(t *testing.T) {
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
	t.Run("needs force if the copy was used", func(t *testing.T) {
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
	t.Run("needs force if the copy is not available", func(t *testing.T) {
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

func TestARestoreIsRecordedInTheStoreAndCopiedWithIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if last, err := storecopy.Use(t.Context(), memjournal.New(clock.System{}), clock.System{}, true); err != nil || last.At.IsZero() || !last.Unrecalled {
		t.Errorf("restore of an empty store in place of a lost one = %+v, %v, want a time, unrecalled", last, err)
	}
	use(t, r.from)
	last, err := storecopy.Use(t.Context(), r.from, clock.System{}, true)
	if err != nil || last.At.IsZero() || !last.Unrecalled {
		t.Fatalf("restore = %+v, %v, want a time, unrecalled", last, err)
	}
	r.done(t)
	for _, j := range []ports.Journal{r.to, r.to} {
		if again, err := storecopy.Use(t.Context(), j, clock.System{}, false); err != nil || !same(again, last) {
			t.Errorf("restore of the copy = %+v, %v, want %+v", again, err, last)
		}
	}
}

func same(a, b storecopy.Restore) bool {
	return a.At.Equal(b.At) && a.Since.Equal(b.Since) && a.Unrecalled == b.Unrecalled
}

// The period that the copy may lack begins with its last event. It stays recorded until it is
// recalled, also if another copy is restored.
func TestTheMissingPeriodOfARestoreStaysUntilItIsRecalled(t *testing.T) {
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
		t.Errorf("first restore = %+v, want it unrecalled since %v", first, day(1))
	}
	written("two", day(2))
	pays = []string{"there", "here"}
	second := restore(true)
	if !second.Since.Equal(day(1)) || !second.Unrecalled || second.At.Equal(first.At) || !slices.Equal(second.Providers, []string{"here", "there"}) {
		t.Errorf("second restore, before the first is recalled = %+v, want it unrecalled since %v at a later time, with both providers", second, day(1))
	}
	recalled(first.At)
	if last := restore(false); !last.Unrecalled {
		t.Errorf("second restore, once the first is recalled = %+v, want it unrecalled", last)
	}
	recalled(second.At)
	if last := restore(false); last.Unrecalled || !last.At.Equal(second.At) || len(last.Providers) > 0 {
		t.Errorf("second restore, once it is recalled = %+v, want it recalled, without providers", last)
	}
	pays = []string{"elsewhere"}
	if third := restore(true); !third.Since.Equal(day(2)) || !third.Unrecalled || !slices.Equal(third.Providers, []string{"elsewhere", "here", "there"}) {
		t.Errorf("third restore = %+v, want it unrecalled since %v, with the providers configured before and after", third, day(2))
	}
}

func TestARestoreNamesTheProvidersOfTheLastStartAndOfThisOne(t *testing.T) {
	t.Parallel()
	j := memjournal.New(clock.System{})
	for _, pays := range [][]string{{"first", "second"}, {"first"}, nil, {"first"}} {
		if _, err := storecopy.Use(t.Context(), j, clock.System{}, false, pays...); err != nil {
			t.Fatal(err)
		}
	}
	last, err := storecopy.Use(t.Context(), j, clock.System{}, true, "third")
	if err != nil || !slices.Equal(last.Providers, []string{"first", "third"}) {
		t.Errorf("providers = %v, %v, want first and third", last.Providers, err)
	}
}

func TestACopyOfAnOlderCopyIsARestoreAtItsFirstUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	o.From.Older = true
	if _, err := storecopy.Copy(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	last, err := storecopy.Use(t.Context(), r.to, clock.System{}, false)
	if err != nil || last.At.IsZero() {
		t.Fatalf("restore = %+v, %v, want a time", last, err)
	}
	if again, err := storecopy.Use(t.Context(), r.to, clock.System{}, false); err != nil || !same(again, last) {
		t.Errorf("restore at the second use = %+v, %v, want %+v", again, err, last)
	}
}

func TestAFeedIsBehindThePointsThatItHasNotReached(t *testing.T) {
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
				t.Errorf("%d events: Latest of point %d = %+v, %v, want the end", n, from, at, err)
			}
			if behind, err := p.Behind(t.Context(), j); err != nil || behind {
				t.Errorf("%d events: Behind of point %d = %t, %v, want false", n, from, behind, err)
			}
		}
		for _, p := range []storecopy.Point{{Seq: int64(n) + 1, ID: "fev_next"}, {Seq: 1, ID: "fev_other"}} {
			if behind, err := p.Behind(t.Context(), j); err != nil || !behind {
				t.Errorf("%d events: Behind of point %+v = %t, %v, want true", n, p, behind, err)
			}
		}
	}
}
