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

// rig is two stores, the first of which has entries.
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

// pass gives the key of a record that the target has to a record that it lacks.
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

// done makes a copy that must succeed.
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
	if err != nil {
		t.Fatal(err)
	}
	if !report.Equal() {
		t.Fatalf("report = %+v, want both sides equal", report)
	}
	if want, got := r.holds(t, r.from), r.holds(t, r.to); !maps.Equal(want, got) || len(want) == 0 {
		t.Fatalf("the copy has %d entries, want the same %d as the source", len(got), len(want))
	}
	return removed, put
}

// holds returns the digests of everything that a journal has, except its mark.
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
		t.Errorf("error = %v, want kind %s, code %s", err, fault.Conflict, code)
	}
}

func TestACopyChangesOnlyTheEntriesThatDiffer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	check := func(when string, wantRemoved, wantPut int) {
		t.Helper()
		removed, put := r.done(t)
		if removed != wantRemoved || put != wantPut {
			t.Errorf("%s: removed = %d and put = %d, want %d and %d", when, removed, put, wantRemoved, wantPut)
		}
	}
	check("into an empty store", 0, 2*many+2+2)
	check("again, with nothing changed", 0, 0)
	r.change(t)
	check("again, with three records changed", 3, 3)
	again := ports.Record{Tenant: "t", Kind: "thing", ID: "x", Body: []byte("x"), Events: []event.Event{{ID: "fev_x"}}}
	save(t, r.to, &again)
	events, err := r.to.Feed(t.Context(), ports.AllTenants, many, 9)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Seq != many+1 {
		t.Errorf("new events of the copy = %+v, want one with number %d", events, many+1)
	}
}

// A copy may end at every call of either store: before it, and with its answer lost. The target must
// not be used then, until the next copy has completed it.
func TestACopyThatIsInterruptedAnywhereIsCompletedByTheNext(t *testing.T) {
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
				ended = true // and it stays so
				return fault.New(fault.UnknownOutcome, "scripted", op)
			}
			_, err := storecopy.Copy(t.Context(), r.options())
			failing.Fail = nil
			if !ended {
				if err != nil || at < 10 {
					t.Fatalf("copy without a failure: %v, after %d calls, want at least 10", err, at)
				}
				break
			}
			if err == nil {
				t.Fatalf("%s, call %d: error = nil, want one", side, at)
			}
			if equal := maps.Equal(r.holds(t, r.from), r.holds(t, r.to)); !equal {
				r.unusable(t, fmt.Sprint(side, ", call ", at))
			}
			r.done(t)
			if err := tryUse(t, r.to); err != nil {
				t.Fatalf("%s, call %d: Use after the next copy: %v", side, at, err)
			}
		}
	}
}

// unusable checks that a target which is neither the old copy nor the new one is not used.
func (r *rig) unusable(t *testing.T, when string) {
	t.Helper()
	mark, err := r.to.Get(t.Context(), "", "store", "mark")
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if mark.Index.Status == "finished_copy" && mark.Rev == 2 {
		return // the copy had not begun
	}
	if err := tryUse(t, r.to); !fault.Is(err, fault.Conflict) {
		t.Errorf("%s: Use: error = %v, want kind %s", when, err, fault.Conflict)
	}
}

func TestACopyOfASourceThatChangesMeanwhileIsReportedAndUnfinished(t *testing.T) {
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
		if report.Equal() {
			t.Errorf("%s: report = %+v, want different sides", moment, report)
		}
		if want := "did not take thing|t|zzz"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q in it", moment, err, want)
		}
		wantCode(t, tryUse(t, r.to), "unfinished_copy")
		r.done(t)
	}
}

func TestReadyIsCalledOnceBothAreEqualAndBeforeTheTargetMayBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	broken := errors.New("no room")
	o.Ready = func() error {
		if !maps.Equal(r.holds(t, r.from), r.holds(t, r.to)) {
			t.Error("Ready was called before both were equal")
		}
		return broken
	}
	if _, err := storecopy.Copy(t.Context(), o); !errors.Is(err, broken) {
		t.Errorf("Copy: error = %v, want that of Ready", err)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
	r.done(t)
}

// unpublished is a journal whose calls of Publish return these numbers.
type unpublished struct {
	ports.Journal
	results []int
}

func (u *unpublished) Publish(context.Context, int) (int, error) {
	n := u.results[0]
	u.results = u.results[1:]
	return n, nil
}

func TestPendingEventsArePublishedFirstAndNoneMayBePendingAtTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o := r.options()
	j := &unpublished{r.from, []int{200, 1, 0, 1}}
	o.From.Journal = j
	report, err := storecopy.Copy(t.Context(), o)
	wantCode(t, err, "source_changed")
	if !report.Equal() {
		t.Errorf("report = %+v, want both sides equal", report)
	}
	if n := len(j.results); n != 0 {
		t.Errorf("calls of Publish = %d, want 4", 4-n)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
}

// spoiled changes one byte of one entry that is put.
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

func TestADifferenceOfOneByteIsReported(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.archive = func(a ports.Archive) ports.Archive { return spoiled{a} }
	report, err := storecopy.Copy(t.Context(), r.options())
	wantCode(t, err, "source_changed")
	if report.Equal() {
		t.Errorf("report = %+v, want different sides", report)
	}
	records, users := report[0], report[1]
	if records.From.Entries != records.To.Entries || records.From.Sum == records.To.Sum {
		t.Errorf("records = %+v, want the same number with another checksum", records)
	}
	if users.From != users.To {
		t.Errorf("users = %+v, want both sides equal", users)
	}
	wantCode(t, tryUse(t, r.to), "unfinished_copy")
	r.archive = nil
	r.done(t)
}
