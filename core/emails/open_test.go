package emails_test

import (
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/ports"
)

// What may have gone out, and what waits after a failure, is counted.
func TestWhatIsOpenIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		delivery       email.Delivery
		fails          func(int) error
		unknown, again int
	}{
		"it is sent":        {email.AtLeastOnce, nil, 0, 0},
		"it is refused":     {email.AtLeastOnce, said(fault.Invalid, "rejected"), 0, 0},
		"it may be lost":    {email.AtMostOnce, said(fault.UnknownOutcome, "no_answer"), 1, 0},
		"it is tried again": {email.AtLeastOnce, said(fault.Overloaded, "overloaded"), 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, c.fails, c.fails, nil, func(t *testing.T, r rig) {
				d := draft()
				d.Delivery = c.delivery
				began := time.Now()
				r.accept(t, d)
				<-time.After(time.Second)
				synctest.Wait()
				counts, err := r.Journal.Count(t.Context(), 100, append(emails.UnknownSets(), emails.AgainSets()...)...)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range []int{c.unknown, c.again} {
					if counts[i].N != want || want > 0 && counts[i].First.Sub(began) > time.Second {
						t.Errorf("%+v, want %d unknown and %d to be tried again, since %s", counts, c.unknown, c.again, began)
					}
				}
			})
		})
	}
}

// Where messages wait is known: whoever counts them looks into each of these queues.
func TestQueuesAreThoseOfTheMessages(t *testing.T) {
	busy := said(fault.Overloaded, "overloaded")
	within(t, busy, busy, nil, func(t *testing.T, r rig) {
		r.accept(t, draft())
		<-time.After(time.Second)
		synctest.Wait()
		var sets []ports.Set
		for _, q := range r.Queues() {
			sets = append(sets, ports.Set{Queue: q})
		}
		counts, err := r.Journal.Count(t.Context(), 100, sets...)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, c := range counts {
			n += c.N
		}
		if n != 1 {
			t.Errorf("%d messages in %v, want 1", n, r.Queues())
		}
	})
}
