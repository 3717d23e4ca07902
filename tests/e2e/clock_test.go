package e2e_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// TestTheClockCanBeSetInABuildForTestsOnly checks that the released binary only uses the machine's
// clock.
func TestTheClockCanBeSetInABuildForTestsOnly(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	g.OwnClock(t)
	released, err := gateway.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{g.Program: true, released: false} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(raw, []byte("PATCHBAY_TEST_CLOCK_OFFSET")); has != want {
			t.Errorf("%s can be set: %v, want %v", path, has, want)
		}
	}
	g.Restart(t)
	for _, off := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		g.SetClock(t, off)
		made := g.Do(t, "POST", "/api/users", object{"email": off.String() + "@example.com"}).Text("createdAt")
		at, err := time.Parse(time.RFC3339, made)
		if late := time.Since(at.Add(-off)).Abs(); err != nil || late > 30*time.Second {
			t.Errorf("%s: a user is made at %s, %v, want late at most %v", off, made, err, 30*time.Second)
		}
	}
}
