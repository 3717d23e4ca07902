package e2e_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"patchbay/tests/gateway"
)

// The clock of a machine that is set only after the start gives up no key: what was paid by the
// wrong one is paid.
func TestAClockThatIsSetRightChargesNobodyAgain(t *testing.T) {
	t.Parallel()
	g := gateway.New(t)
	g.OwnClock(t)
	g.SetClock(t, -80*time.Hour)
	g.Restart(t)
	pay := func() string {
		return g.Do(t, "POST", "/api/payments", object{
			"amount": 1250, "currency": "eur", "paymentMethod": "pm_card_visa", "confirm": true,
		}, gateway.Key("k")).Text("id")
	}
	first := pay()
	if again := pay(); again != first {
		t.Fatalf("two payments at once: %s and %s", first, again)
	}
	g.SetClock(t, 0)
	<-time.After(75 * time.Second) // what rests is looked at once a minute
	if again := pay(); again != first {
		t.Errorf("two payments under one key: %s and %s", first, again)
	}
}

// What is released has no clock but the machine's.
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
			t.Errorf("%s: a user is made at %s, %v", off, made, err)
		}
	}
}
