package depot_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"patchbay/adapters/sys"
	"patchbay/core/depot"
	"patchbay/core/fault"
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
			if _, err := depot.Copy(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}, "target_used", `copy of "elsewhere"`},
		{"from an unfinished copy", func(t *testing.T, r *rig) {
			o := depot.Options{From: depot.Side{Name: "x", Journal: r.to, Archive: memjournal.Archive{Journal: r.to}}, To: r.options().From, Clock: sys.Clock{}}
			r.from = memjournal.New(sys.Clock{})
			o.To.Journal, o.To.Archive = r.from, memjournal.Archive{Journal: r.from}
			r.from.Fail = func(op string) error {
				if op == memjournal.Digests || op == memjournal.Put {
					return errors.New("it ends here")
				}
				return nil
			}
			save(t, r.to, &ports.Record{Tenant: "t", Kind: "thing", ID: "one", Body: []byte("x")})
			if _, err := depot.Copy(t.Context(), o); err == nil {
				t.Fatal("it did not end")
			}
			r.from.Fail, r.to = nil, memjournal.New(sys.Clock{})
		}, "source_unfinished", "unfinished copy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			row.prepare(t, r)
			before := r.holds(t, r.to)
			report, err := depot.Copy(t.Context(), r.options())
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
	if err := depot.Use(t.Context(), j, sys.Clock{}); err != nil {
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
	_, err := depot.Copy(t.Context(), r.options())
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
	if err := depot.Use(t.Context(), r.to, sys.Clock{}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a store that is gone: %v", err)
	}
}
