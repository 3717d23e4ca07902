package cli_test

import (
	"strings"
	"testing"
)

func TestARemovedReasonIsNamedAndSoIsWhatStays(t *testing.T) {
	t.Parallel()
	r := newCopyRig(t)
	r.make(t)
	for _, reason := range []string{"manual", "unsubscribed"} {
		if got := r.run(t, "suppressions", "add", "no@example.com", "--reason", reason); got.code != 0 {
			t.Fatalf("add: got %+v, want exit code 0", got)
		}
	}
	got := r.run(t, "suppressions", "remove", "no@example.com", "--reason", "bounced")
	if want := "suppressed, but not for the reason bounced; it is for manual, unsubscribed"; got.code != 1 || !strings.Contains(got.stderr, want) {
		t.Errorf("a reason that it has not: got %+v, want exit code 1, %q", got, want)
	}
	got = r.run(t, "suppressions", "remove", "no@example.com", "--reason", "manual")
	for _, want := range []string{"no@example.com: manual is removed", "no@example.com: unsubscribed stays\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("stdout = %q, want %q in it", got.stdout, want)
		}
	}
}

func TestARetryThatCountedNothingPrintsNoCounts(t *testing.T) {
	t.Parallel()
	r := newCopyRig(t)
	r.make(t)
	got := r.run(t, "emails", "retry", "--status", "failed")
	if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "start it first") {
		t.Errorf("got %+v, want exit code 1, no counts, and that a gateway must be started", got)
	}
}
