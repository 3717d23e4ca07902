// Package suite has what the contract suites of all ports have in common: a list of described
// cases, how it is run, and the comparisons that every suite makes.
package suite

import (
	"reflect"
	"runtime/debug"
	"testing"
	"time"

	"patchbay/core/fault"
)

// Case is one case of a suite whose harness is an H.
type Case[H any] struct {
	// Name says in a few words what the case is about. It is the name of the subtest.
	Name string
	// Doc is one sentence that says what must hold. docs/contract.md lists it.
	Doc string
	// Run checks it on a harness that no other case uses.
	Run func(t *testing.T, h H)
}

// Run runs each case as a parallel subtest, on a harness of its own. When a case fails, it logs
// what the contract demands.
func Run[H any](t *testing.T, cases []Case[H], open func(t *testing.T) H) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the contract demands: %s", c.Doc)
				}
			})
			h := open(t)
			Contain(t, func() { c.Run(t, h) })
		})
	}
}

// Contain runs a case. If it panics, for instance because an adapter returns less than the case
// reads, the case fails and the others still run.
func Contain(t interface {
	Errorf(format string, args ...any)
}, run func(),
) {
	defer func() {
		if cause := recover(); cause != nil {
			t.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	run()
}

// WantKind checks the kind of an error.
func WantKind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("error %v, want kind %s", err, want)
	}
}

// WantCode checks the kind and the code of an error.
func WantCode(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.From(err).Code != code {
		t.Errorf("error %v, want kind %s with code %s", err, kind, code)
	}
}

// Eventually polls until ok returns true, and ends the test if that takes 20 seconds.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit.C:
			t.Fatalf("after 20 seconds still not true: %s", what)
		case <-tick.C:
		}
	}
}

// Equal compares one value deeply.
func Equal[V any](t *testing.T, what string, got, want V) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}
