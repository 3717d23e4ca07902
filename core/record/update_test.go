package record_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

var (
	unknown     = fault.New(fault.UnknownOutcome, "lost", "")
	unavailable = &fault.Error{Kind: fault.Unavailable, RetryAfter: 3 * time.Second}
	conflict    = fault.New(fault.Conflict, "record_conflict", "")
	overloaded  = fault.New(fault.Overloaded, "overloaded", "")
	foreign     = fault.New(fault.Conflict, "foreign", "")
	refusal     = fault.New(fault.Conflict, "refused", "")
)

// script is a journal that answers as it is told, and then well.
type script struct {
	ports.Journal
	saves, reads []error
	changes      int
	refuse       int   // the change that refuses, from 1
	unchanged    int   // the change that has nothing to save, from 1
	taken        error // the Idem or the Ref belongs to another record: what Taken says of it
	held         bool  // the record is Held when it is read again
	alone        bool  // nobody else changes the record
	rev          int64
}

func next(all *[]error) error {
	if len(*all) == 0 {
		return nil
	}
	err := (*all)[0]
	*all = (*all)[1:]
	return err
}

func (s *script) Save(context.Context, ...*ports.Record) []error { return []error{next(&s.saves)} }

// Get returns a record that another writer has changed, unless the script says otherwise.
func (s *script) Get(_ context.Context, tenant, kind, id string) (ports.Record, error) {
	if s.taken == nil && !s.alone {
		s.rev++
	}
	return ports.Record{Tenant: tenant, Kind: kind, ID: id, Rev: s.rev, Held: s.held}, next(&s.reads)
}

func (s *script) run(ctx context.Context, insist bool) error {
	records := record.Raw(s, "thing")
	if s.taken != nil {
		records.Taken = func(*ports.Record) error { return s.taken }
	}
	if insist {
		records = records.Insisting()
	}
	r := ports.Record{Tenant: "t", Kind: "thing", ID: "a", Body: []byte("{}")}
	return records.Update(ctx, &r, func(r *ports.Record) error {
		if s.taken != nil {
			r.Ref = "another's"
		}
		switch s.changes++; s.changes {
		case s.refuse:
			return refusal
		case s.unchanged:
			return record.ErrUnchanged
		}
		return nil
	})
}

// What is not known stays so, whatever comes after it, until it is done.
func TestAnOutcomeThatIsNotKnownStaysSo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script script
		want   fault.Kind
		is     error // what it says beside
		done   bool
	}{
		"saved":                                       {script: script{}, done: true},
		"saved after a conflict":                      {script: script{saves: []error{conflict}}, done: true},
		"saved after a conflict with nobody":          {script: script{saves: []error{conflict}, alone: true}, done: true},
		"saved after its answer was lost":             {script: script{saves: []error{unknown}}, done: true},
		"nothing to save":                             {script: script{unchanged: 1, saves: []error{unavailable}}, done: true},
		"lost, and then nothing is left to save":      {script: script{unchanged: 2, saves: []error{unknown}}, done: true},
		"not saved":                                   {script{saves: []error{unavailable}}, fault.Unavailable, unavailable, false},
		"lost, and gone as it is read":                {script{saves: []error{unknown}, reads: []error{unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, and gone as it is saved":               {script{saves: []error{unknown, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, and too much is under way":             {script{saves: []error{unknown, overloaded}}, fault.UnknownOutcome, overloaded, false},
		"lost, then a conflict, and gone":             {script{saves: []error{unknown, conflict}, reads: []error{nil, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, a conflict, a conflict, and gone":      {script{saves: []error{unknown, conflict, conflict, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost twice, and gone":                        {script{saves: []error{unknown, unknown, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"a conflict that says more":                   {script{saves: []error{conflict}, taken: foreign}, fault.Conflict, foreign, false},
		"lost, and then a conflict that says more":    {script{saves: []error{unknown, conflict}, taken: foreign}, fault.Conflict, foreign, false},
		"lost, and then it is refused":                {script{saves: []error{unknown}, refuse: 2}, fault.Conflict, refusal, false},
		"lost, and there is no use in another try":    {script{saves: []error{unknown}, held: true}, fault.UnknownOutcome, unknown, false},
		"a conflict, and gone: nothing was done":      {script{saves: []error{conflict}, reads: []error{unavailable}}, fault.Unavailable, unavailable, false},
		"a conflict, and there is no use in another":  {script{saves: []error{conflict}, held: true}, fault.Conflict, conflict, false},
		"refused before anything is saved":            {script{refuse: 1}, fault.Conflict, refusal, false},
		"lost, read again, and saved after conflicts": {script: script{saves: []error{unknown, conflict, conflict}}, done: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.script.run(t.Context(), false)
			if tt.done {
				if err != nil {
					t.Errorf("%v, want it to be saved", err)
				}
				return
			}
			if !fault.Is(err, tt.want) || !errors.Is(err, tt.is) {
				t.Errorf("%v; want %s, with %v in it", err, tt.want, tt.is)
			}
			if errors.Is(tt.is, unavailable) && fault.From(err).RetryAfter != unavailable.RetryAfter {
				t.Errorf("it says to come again after %s", fault.From(err).RetryAfter)
			}
		})
	}
}

// An insisting update asks a store that is gone until it is back, in every step.
func TestUpdateInsists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := script{saves: []error{unavailable, unavailable, unknown, unavailable}, reads: []error{unavailable, unavailable}}
		if err := s.run(t.Context(), true); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s = script{saves: []error{unknown}, reads: slices.Repeat([]error{unavailable}, 100)}
		if err := s.run(ctx, true); !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("%v, once the time is over", err)
		}
	})
}

func TestAnUpdateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := script{saves: []error{conflict, conflict}}
	if err := s.run(ctx, false); !fault.Is(err, fault.Conflict) || s.changes != 1 {
		t.Errorf("%v after %d changes", err, s.changes)
	}
}

// things returns a Repository in memory, and its journal.
func things() (record.Repository[record.Entry[thing]], *memjournal.Journal) {
	j := memjournal.New(clock.System{})
	return record.Of(j, "thing", func(v thing, id string) bool { return v.ID == id }), j
}

// tag returns a change that adds a tag once.
func tag(name string) func(*record.Entry[thing]) error {
	return func(e *record.Entry[thing]) error {
		if slices.Contains(e.Value.Tags, name) {
			return record.ErrUnchanged
		}
		e.Value.ID, e.Value.Tags = "a", append(e.Value.Tags, name)
		return nil
	}
}

func TestAConflictOverAReferenceIsReturned(t *testing.T) {
	t.Parallel()
	all, _ := things()
	for _, id := range []string{"a", "b"} {
		e := all.New("t", id)
		e.Value.ID, e.Record.Ref = id, "ref "+id
		if err := all.Save(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	b, err := all.Get(t.Context(), "t", "b")
	if err != nil {
		t.Fatal(err)
	}
	take := func(e *record.Entry[thing]) error { e.Record.Ref = "ref a"; return nil }
	if err := all.Update(t.Context(), &b, take); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v, want conflict", err)
	}
	if b.Record.Ref != "ref b" {
		t.Errorf("after it, the reference is %q, want what is stored", b.Record.Ref)
	}
}

// Each of many writers of one record, which none of them has found, adds its own.
func TestPutLosesNothing(t *testing.T) {
	t.Parallel()
	all, j := things()
	lost := make(chan struct{}, 5) // answers of the store
	for range cap(lost) {
		lost <- struct{}{}
	}
	j.Fail = func(op string) error {
		if op != memjournal.Saved {
			return nil
		}
		select {
		case <-lost:
			return unknown
		default:
			return nil
		}
	}
	const writers = 20
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := all.Put(t.Context(), "t", "a", tag(string(rune('a'+i))))
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got, err := all.Get(t.Context(), "t", "a")
	if err != nil || len(got.Value.Tags) != writers || got.Record.Rev != writers {
		t.Errorf("%+v, %v; want %d tags", got, err, writers)
	}
}

func TestInsertFindsOutWhetherItWasStored(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fails map[string]error // by the call of the store, the first of each
		same  error
		want  error
	}{
		"stored":                                 {},
		"refused":                                {fails: map[string]error{memjournal.Save: conflict}, want: conflict},
		"stored, and the answer is lost":         {fails: map[string]error{memjournal.Saved: unknown}},
		"not stored, and the answer is lost":     {fails: map[string]error{memjournal.Save: unknown}, want: unknown},
		"the answer is lost, and it is not read": {fails: map[string]error{memjournal.Saved: unknown, memjournal.Get: unavailable}, want: unknown},
		"another is stored":                      {fails: map[string]error{memjournal.Saved: unknown}, same: refusal, want: refusal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, j := things()
			j.Fail = func(op string) error {
				err := tt.fails[op]
				delete(tt.fails, op)
				return err
			}
			e := all.New("t", "a")
			e.Value.ID = "a"
			err := all.Insert(t.Context(), &e, func(*record.Entry[thing]) error { return tt.same })
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if want := tt.want == nil; (e.Record.Rev == 1) != want {
				t.Errorf("rev %d, stored %v", e.Record.Rev, want)
			}
		})
	}
}
