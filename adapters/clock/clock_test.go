package clock_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
)

func TestNowIsTheTimeInUTCAndMicroseconds(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Microsecond) // it is rounded down
	now := clock.System{}.Now()
	if now.Before(before) || now.After(time.Now()) {
		t.Errorf("Now = %s, want the time between %s and now", now, before)
	}
	// Stores keep microseconds and no zone: what is read back must be equal.
	if now.Location() != time.UTC {
		t.Errorf("zone of Now = %s, want UTC", now.Location())
	}
	if now.Nanosecond()%1000 != 0 {
		t.Errorf("Now = %s, want whole microseconds", now)
	}
	if now != now.Round(0) { // with ==, which sees a monotonic reading
		t.Errorf("Now = %s, want no monotonic reading, which a store does not keep", now)
	}
}

// Not in parallel: the zone of the machine is one for all tests.
func TestNowIsUTCWhereverTheMachineIs(t *testing.T) {
	old := time.Local
	t.Cleanup(func() { time.Local = old })
	time.Local = time.FixedZone("elsewhere", 5*3600)
	if now := (clock.System{}).Now(); now.Location() != time.UTC {
		t.Errorf("zone of Now = %s, want UTC", now.Location())
	}
}
