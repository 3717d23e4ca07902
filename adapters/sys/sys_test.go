package sys_test

import (
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/sys"
)

func TestClock(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Microsecond) // it is rounded down
	now := sys.Clock{}.Now()
	if now.Before(before) || now.After(time.Now()) {
		t.Errorf("%s is not now", now)
	}
	// Stores keep microseconds and no zone: what is read back must be equal.
	if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
		t.Errorf("%s is not in UTC and whole microseconds", now)
	}
	if now != now.Round(0) { // with ==, which sees a monotonic reading
		t.Errorf("%s would not be itself after being stored", now)
	}
}

// Not in parallel: the zone of the machine is one for all tests.
func TestClockIsUTCWhereverTheMachineIs(t *testing.T) {
	old := time.Local
	t.Cleanup(func() { time.Local = old })
	time.Local = time.FixedZone("elsewhere", 5*3600)
	if now := (sys.Clock{}).Now(); now.Location() != time.UTC {
		t.Errorf("%s", now)
	}
}

var shape = regexp.MustCompile(`^pay_[0-9abcdefghjkmnpqrstvwxyz]{26}$`)

func TestIDsAreShapedAndSortByTime(t *testing.T) {
	t.Parallel()
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = sys.IDs{}.New("pay")
	}
	for _, id := range ids {
		if !shape.MatchString(id) {
			t.Fatalf("%q", id)
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("a later identifier sorts before an earlier one")
	}
}

func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	const goroutines, each = 16, 5000
	var mu sync.Mutex
	seen := make(map[string]bool, goroutines*each)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			made := make([]string, each)
			for i := range made {
				made[i] = sys.IDs{}.New("evt")
			}
			mu.Lock()
			defer mu.Unlock()
			for _, id := range made {
				seen[id] = true
			}
		})
	}
	all.Wait()
	if len(seen) != goroutines*each {
		t.Errorf("%d identifiers, %d of them different", goroutines*each, len(seen))
	}
}
