package storecopy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/storecopy"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const many = 510 // more than a page

// rig is two stores, the first of which holds something.
type rig struct {
	from, to *memjournal.Journal
	records  int
	archive  func(ports.Archive) ports.Archive // decorates the target's
}

func newRig(t *testing.T) *rig { return newRigOf(t, many) }

func newRigOf(t *testing.T, records int) *rig {
	t.Helper()
	r := &rig{records: records, from: memjournal.New(clock.System{}), to: memjournal.New(clock.System{})}
	for i := range records {
		one := ports.Record{
			Tenant: "t", Kind: "thing", ID: fmt.Sprintf("%03d", i), Idem: fmt.Sprint(i), Body: []byte("body"), Index: ports.Index{Created: day},
			Events: []event.Event{{ID: fmt.Sprint("fev_", i), Tenant: "t", At: day}},
		}
		save(t, r.from, &one)
	}
	parent := ports.Record{Tenant: "t", Kind: "thing", ID: "parent", Body: []byte("body")}
	child := ports.Record{Tenant: "t", Kind: "part", ID: "child", Body: []byte("body")}
	if err := r.from.Attach(t.Context(), &parent, &child); err != nil {
		t.Fatal(err)
	}
	ada := user.User{ID: "usr_1", Tenant: "t", Email: "ada@example.com", Version: 1, CreatedAt: day, UpdatedAt: day}
	gone := ports.StoredUser{User: user.User{ID: "usr_2", Tenant: "t", Version: 2}, Key: idempotency.Key{Scoped: "k", Fingerprint: "f"}, Deleted: true}
	err := memjournal.Archive{Journal: r.from}.Put(t.Context(), ports.UserSection, ports.Entry{User: &ports.StoredUser{User: ada}}, ports.Entry{User: &gone})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func save(t *testing.T, j *memjournal.Journal, r *ports.Record) {
	t.Helper()
	if err := j.Save(t.Context(), r)[0]; err != nil {
		t.Fatal(err)
	}
}

// change gives two records each other's key, removes one, and adds one.
func (r *rig) change(t *testing.T) {
	t.Helper()
	id := func(n int) string { return fmt.Sprintf("%03d", n) }
	read := func(n int) ports.Record {
		one, err := r.from.Get(t.Context(), "t", "thing", id(n))
		if err != nil {
			t.Fatal(err)
		}
		return one
	}
	last := r.records - 1
	a, b, gone := read(3), read(last), ports.RecordKey("thing", "t", id(r.records/2))
	a.Idem = ""
	save(t, r.from, &a)
	b.Idem = "3"
	save(t, r.from, &b)
	a.Idem = fmt.Sprint(last)
	save(t, r.from, &a)
	if err := (memjournal.Archive{Journal: r.from}).Remove(t.Context(), ports.RecordSection, gone); err != nil {
		t.Fatal(err)
	}
	save(t, r.from, &ports.Record{Tenant: "t", Kind: "a new", ID: "one", Body: []byte("x")})
}

// pass gives the key of a record that the target has to one that it lacks.
func (r *rig) pass(t *testing.T) {
	t.Helper()
	a, err := r.from.Get(t.Context(), "t", "thing", "005")
	if err != nil {
		t.Fatal(err)
	}
	a.Idem = ""
	save(t, r.from, &a)
	save(t, r.from, &ports.Record{Tenant: "t", Kind: "thing", ID: "zzz", Idem: "5", Body: []byte("x")})
}

func (r *rig) options() storecopy.Options {
	target := ports.Archive(memjournal.Archive{Journal: r.to})
	if r.archive != nil {
		target = r.archive(target)
	}
	return storecopy.Options{
		From: storecopy.Side{Name: "here", Journal: r.from, Archive: memjournal.Archive{Journal: r.from}},
		To:   storecopy.Side{Name: "there", Journal: r.to, Archive: target}, Clock: clock.System{},
	}
}

// done copies, and wants it to be done.
func (r *rig) done(t *testing.T) (removed, put int) {
	t.Helper()
	o := r.options()
	o.Progress = func(p storecopy.Progress) {
		if p.Done && p.Step == storecopy.Removing {
			removed += p.Changed
		}
		if p.Done && p.Step == storecopy.Putting {
			put += p.Changed
		}
	}
	report, err := storecopy.Copy(t.Context(), o)
	if err != nil || !report.Equal() {
		t.Fatalf("%v, %+v", err, report)
	}
	if want, got := r.holds(t, r.from), r.holds(t, r.to); !maps.Equal(want, got) || len(want) == 0 {
		t.Fatalf("%d entries became %d others", len(want), len(got))
	}
	return removed, put
}

// holds are the digests of all that a journal has, but for its mark.
func (r *rig) holds(t *testing.T, j *memjournal.Journal) map[string]ports.Digest {
	t.Helper()
	all := map[string]ports.Digest{}
	for _, section := range ports.Sections() {
		for after := ""; ; {
			page, next, err := memjournal.Archive{Journal: j}.Scan(t.Context(), section, after, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				all[string(section)+e.Key()] = e.Digest()
			}
			if after = next; after == "" {
				break
			}
		}
	}
	delete(all, "recordsstore||mark")
	return all
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if !fault.Is(err, fault.Conflict) || fault.From(err).Code != code {
		t.Errorf("%v, want a conflict (%s)", err, code)
	}
}

func TestACopyHoldsWhatTheSourceHolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if removed, put := r.done(t); removed != 0 || put != 2*many+2+2 {
		t.Errorf("%d removed, %d put", removed, put)
	}
	if removed, put := r.done(t); removed+put != 0 {
		t.Errorf("of what is there already, %d removed, %d put", removed, put)
	}
	r.change(t)
	if removed, put := r.done(t); removed != 3 || put != 3 {
		t.Errorf("of what has changed, %d removed, %d put", removed, put)
	}
	again := ports.Record{Tenant: "t", Kind: "thing", ID: "x", Body: []byte("x"), Events: []event.Event{{ID: "fev_x"}}}
	save(t, r.to, &again)
	if events, err := r.to.Feed(t.Context(), ports.AllTenants, many, 9); err != nil || len(events) != 1 || events[0].Seq != many+1 {
		t.Errorf("the feed goes on with %+v, %v", events, err)
	}
}

// At every call of either store a copy may end: before it, and with its answer lost.
// Whatever is there then is no store to be used, and the next copy makes it one.
func TestACopyThatEndsAnywhereGoesOn(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"source", "target"} {
		for at := 1; ; at++ {
			r := newRigOf(t, 12)
			r.done(t) // so that there is something to remove, too
			r.change(t)
			failing, calls, ended := r.from, 0, false
			if side == "target" {
				failing = r.to
			}
			failing.Fail = func(op string) error {
				if calls++; calls < at {
					return nil
				}
				ended = true // and it does not come back
				return fault.New(fault.UnknownOutcome, "told_to", op)
			}
			_, err := storecopy.Copy(t.Context(), r.options())
			failing.Fail = nil
			if !ended {
				if err != nil || at < 10 {
					t.Fatalf("%v, after %d calls", err, at)
				}
				break
			}
			if err == nil {
				t.Fatalf("%s, call %d: done", side, at)
			}
			if equal := maps.Equal(r.holds(t, r.from), r.holds(t, r.to)); !equal {
				r.unusable(t, fmt.Sprint(side, ", call ", at))
			}
			r.done(t)
			if err := tryUse(t, r.to); err != nil {
				t.Fatalf("%s, call %d: %v", side, at, err)
			}
		}
	}
}

// unusable wants a target that is neither the old copy nor the new one not to be
// used.
func (r *rig) unusable(t *testing.T, when string) {
	t.Helper()
	mark, err := r.to.Get(t.Context(), "", "store", "mark")
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if mark.Index.Status == "finished_copy" && mark.Rev == 2 {
		return // it had not begun
	}
	if err := tryUse(t, r.to); !fault.Is(err, fault.Conflict) {
		t.Errorf("%s: it may be used: %v", when, err)
	}
}

func TestASourceThatChangesMeanwhileIsToldOf(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{memjournal.Put, memjournal.PutDone} {
		r := newRig(t)
		r.done(t)
		r.change(t)
		changed := false
		r.to.Fail = func(op string) error {
			if op == moment && !changed {
				changed = true
				r.pass(t)
			}
			return nil
		}
		report, err := storecopy.Copy(t.Context(), r.options())
		r.to.Fail = nil
		wantCode(t, err, "source_changed")
		if report.Equal() || err == nil || !strings.Contains(err.Error(), "did not take thing|t|zzz") {
			t.Errorf("%s: %v, %+v", moment, err, report)
		}
		wantCode(t, tryUse(t, r.to), "unfinished_copy")
		r.done(t)
	}
}

// What must be done before the target is used is done when both are equal, and the
// target is not to be used where it fails.
func TestTheTargetIsReadyBeforeItMayBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	broken := errors.New("no room")
	o.Ready = func() error {
		if !maps.Equal(r.holds(t, r.from), r.holds(t, r.to)) {
			t.Error("it is asked for before both are equal")
		}
		return broken
	}
	if _, err := storecopy.Copy(t.Context(), o); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
	r.done(t)
}

// untold is a journal that has something to tell at its last call.
type untold struct {
	ports.Journal
	left []int
}

func (u *untold) Publish(context.Context, int) (int, error) {
	n := u.left[0]
	u.left = u.left[1:]
	return n, nil
}

func TestWhatWaitsIsToldFirstAndNothingMayWaitAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	j := &untold{r.from, []int{200, 1, 0, 1}}
	o.From.Journal = j
	report, err := storecopy.Copy(t.Context(), o)
	wantCode(t, err, "source_changed")
	if !report.Equal() || len(j.left) != 0 {
		t.Errorf("%+v, %v", report, j.left)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
}

// spoiled changes one byte of one entry on its way.
type spoiled struct{ ports.Archive }

func (s spoiled) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	for i, e := range entries {
		if e.Record != nil && e.Record.ID == "200" {
			bad := *e.Record
			bad.Body = []byte("bodz")
			entries[i].Record = &bad
		}
	}
	return s.Archive.Put(ctx, section, entries...)
}

func TestOneByteIsNoticed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.archive = func(a ports.Archive) ports.Archive { return spoiled{a} }
	report, err := storecopy.Copy(t.Context(), r.options())
	wantCode(t, err, "source_changed")
	if l := report[0]; report.Equal() || l.From.Entries != l.To.Entries || l.From.Sum == l.To.Sum || report[1].From != report[1].To {
		t.Errorf("%+v", report)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
	r.archive = nil
	r.done(t)
}
