package emails_test

import (
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/memjournal"
)

// The store goes away for a moment while a message goes out: that it was accepted is
// not thrown away, or it would go out again.
func TestAnOutcomeIsSavedWhenTheStoreIsBack(t *testing.T) {
	var saves atomic.Int64
	back := make(chan struct{})
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) > 2 { // after its acceptance and its attempt
			select {
			case <-back:
			default:
				return fault.New(fault.Unavailable, "scripted", "")
			}
		}
		return nil
	}
	within(t, nil, nil, fail, func(t *testing.T, r rig) {
		m := r.accept(t, draft())
		<-time.After(5 * time.Second)
		close(back)
		<-time.After(5 * time.Minute)
		if got := r.get(t, m.ID); got.Status != email.Sent || len(got.Attempts) != 1 || r.first.copies(m.ID) != 1 {
			t.Errorf("%s after %d attempts, sent %d times", got.Status, len(got.Attempts), r.first.copies(m.ID))
		}
	})
}
