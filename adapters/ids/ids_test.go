package ids_test

import (
	"regexp"
	"slices"
	"sync"
	"testing"

	"patchbay/adapters/ids"
)

var shape = regexp.MustCompile(`^pay_[0-9abcdefghjkmnpqrstvwxyz]{26}$`)

func TestIDsHaveAPrefixAnd26CharactersAndSortByTime(t *testing.T) {
	t.Parallel()
	made := make([]string, 10_000)
	for i := range made {
		made[i] = ids.UUIDs{}.New("pay")
	}
	for _, id := range made {
		if !shape.MatchString(id) {
			t.Fatalf("New = %q, want %s", id, shape)
		}
	}
	if !slices.IsSorted(made) {
		t.Error("identifiers are not sorted, want them in the order of their creation")
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
				made[i] = ids.UUIDs{}.New("evt")
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
		t.Errorf("got %d different identifiers, want %d", len(seen), goroutines*each)
	}
}
