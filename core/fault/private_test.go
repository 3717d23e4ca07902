package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"patchbay/core/fault"
)

func TestPrivateMarksTheAnswerAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	answered := &fault.Error{Kind: fault.Refused, Code: "refused", Op: "send", Answer: &fault.Answer{Status: 550, Words: "words"}}
	plain := errors.New("broken")
	for name, err := range map[string]error{
		"as it is":    answered,
		"wrapped":     fmt.Errorf("wrapped: %w", answered),
		"joined":      errors.Join(plain, answered),
		"as a cause":  &fault.Error{Kind: fault.Refused, Code: "refused", Err: answered},
		"a cause too": &fault.Error{Kind: fault.Refused, Code: "refused", Err: fmt.Errorf("wrapped: %w", answered)},
	} {
		got := fault.From(fault.Private(err))
		if a := got.Answer; a == nil || !a.Private || a.Status != 550 || a.Words != "words" {
			t.Errorf("%s: got the answer %+v, want it private", name, a)
		}
		if got.Kind != fault.Refused || got.Code != "refused" {
			t.Errorf("%s: got %v, want refused", name, got)
		}
		if err != error(answered) && !errors.Is(got, answered) { //nolint:errorlint // the same one
			t.Errorf("%s: got %v, want what it wraps kept", name, got)
		}
	}
	if answered.Answer.Private {
		t.Error("the error that was passed in is marked, want a copy")
	}
	for _, err := range []error{nil, plain, fault.New(fault.Refused, "refused", "")} {
		if got := fault.Private(err); got != err { //nolint:errorlint // it is the same
			t.Errorf("got %v, want %v as it is", got, err)
		}
	}
}
