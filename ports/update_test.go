package ports_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
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
	saves, reads []error
	changes      int
	refuse       int   // the change that refuses, from 1
	final        error // of every reload; errAsItWas for the failure itself
}

var errAsItWas = errors.New("the failure itself")

func next(all *[]error) error {
	if len(*all) == 0 {
		return nil
	}
	err := (*all)[0]
	*all = (*all)[1:]
	return err
}

func (s *script) run(ctx context.Context, try func(context.Context, func() error) error) error {
	return ports.Update(ctx, ports.Edit{
		Try: try,
		Change: func() error {
			if s.changes++; s.changes == s.refuse {
				return refusal
			}
			return nil
		},
		Save: func() error { return next(&s.saves) },
		Reload: func(failed error) (final, err error) {
			if err := next(&s.reads); err != nil {
				return nil, err
			}
			if s.final == errAsItWas { //nolint:errorlint // this very one
				return failed, nil
			}
			return s.final, nil
		},
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
		"saved after its answer was lost":             {script: script{saves: []error{unknown}}, done: true},
		"not saved":                                   {script{saves: []error{unavailable}}, fault.Unavailable, unavailable, false},
		"lost, and gone as it is read":                {script{saves: []error{unknown}, reads: []error{unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, and gone as it is saved":               {script{saves: []error{unknown, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, and too much is under way":             {script{saves: []error{unknown, overloaded}}, fault.UnknownOutcome, overloaded, false},
		"lost, then a conflict, and gone":             {script{saves: []error{unknown, conflict}, reads: []error{nil, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost, a conflict, a conflict, and gone":      {script{saves: []error{unknown, conflict, conflict, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"lost twice, and gone":                        {script{saves: []error{unknown, unknown, unavailable}}, fault.UnknownOutcome, unavailable, false},
		"a conflict that says more":                   {script{saves: []error{conflict}, final: foreign}, fault.Conflict, foreign, false},
		"lost, and then it is refused":                {script{saves: []error{unknown}, refuse: 2}, fault.Conflict, refusal, false},
		"lost, and there is no use in another try":    {script{saves: []error{unknown}, final: errAsItWas}, fault.UnknownOutcome, unknown, false},
		"a conflict, and gone: nothing was done":      {script{saves: []error{conflict}, reads: []error{unavailable}}, fault.Unavailable, unavailable, false},
		"a conflict, and there is no use in another":  {script{saves: []error{conflict}, final: errAsItWas}, fault.Conflict, conflict, false},
		"refused before anything is saved":            {script{refuse: 1}, fault.Conflict, refusal, false},
		"lost, read again, and saved after conflicts": {script: script{saves: []error{unknown, conflict, conflict}}, done: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.script.run(t.Context(), ports.Once)
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

// Insist asks a store that is gone until it is back, in every step.
func TestUpdateInsists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := script{saves: []error{unavailable, unavailable, unknown, unavailable}, reads: []error{unavailable, unavailable}}
		if err := s.run(t.Context(), ports.Insist); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s = script{saves: []error{unknown}, reads: make([]error, 0)}
		for range 100 {
			s.reads = append(s.reads, unavailable)
		}
		if err := s.run(ctx, ports.Insist); !fault.Is(err, fault.UnknownOutcome) {
			t.Errorf("%v, once the time is over", err)
		}
	})
}

func TestAnUpdateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := script{saves: []error{conflict, conflict}}
	if err := s.run(ctx, ports.Once); !fault.Is(err, fault.Conflict) || s.changes != 1 {
		t.Errorf("%v after %d changes", err, s.changes)
	}
}
