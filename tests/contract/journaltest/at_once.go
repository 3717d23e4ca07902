package journaltest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
)

func changesAtOnce(t *testing.T, j ports.Journal) {
	r := fixture.Record("a")
	r.Body = []byte("x")
	fixture.Save(t, j, &r)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for {
				r, err := j.Get(t.Context(), fixture.Tenant, fixture.Kind, "a")
				if err != nil {
					t.Error(err)
					return
				}
				r.Body = append(r.Body, 'x')
				err = j.Save(t.Context(), &r)[0]
				if err == nil {
					return
				}
				if !fault.Is(err, fault.Conflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if got := fixture.Get(t, j, "a"); string(got.Body) != strings.Repeat("x", 21) || got.Rev != 21 {
		t.Errorf("got %d changes at revision %d, want 20 at revision 21", len(got.Body)-1, got.Rev)
	}
}

func insertsAtOnce(t *testing.T, j ports.Journal) {
	var all sync.WaitGroup
	won := make(chan string, 20)
	for i := range 20 {
		all.Go(func() {
			r := fixture.Record(fmt.Sprint("r", i))
			r.Idem = "one"
			switch err := j.Save(t.Context(), &r)[0]; {
			case err == nil:
				won <- r.ID
			case !fault.Is(err, fault.Conflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := j.Find(t.Context(), fixture.Kind, ports.ByIdem, "one")
	if len(won) != 1 || err != nil || got.ID != <-won {
		t.Errorf("%d inserts succeeded, want 1; stored is %s, error %v, want the one that succeeded", len(won), got.ID, err)
	}
}
