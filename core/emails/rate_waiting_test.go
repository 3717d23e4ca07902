package emails_test

import (
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/ports"
)

// What waits for room is due all the time: so its Due says nothing of when it will be sent.
func TestTheNextAttemptOfWhatWaitsForRoomIsWhenThereWillBeSome(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		all := sendMany(t, s, 3)
		next := func(s *emails.Service) time.Time {
			m, err := s.Get(t.Context(), tenant, all[2])
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "status", m.Status, email.Queued)
			return m.NextAttempt
		}
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		equal(t, "next attempt", next(s), midnight)
		stop()
		again := emails.New(r.options("again")) // nothing runs, which would learn how much room there is
		equal(t, "next attempt where that is not known", next(again), time.Time{})
	})
}

func TestARetryOfWhatWaitsForRoomChangesNothing(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 2, Per: time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		all := sendMany(t, s, 6)
		m, err := s.Retry(t.Context(), tenant, all[2]) // the oldest that waits
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", m.Status, email.Queued)
		equal(t, "next attempt", m.NextAttempt, time.Now().UTC().Truncate(time.Hour).Add(time.Hour))
		<-time.After(10 * time.Minute)
		equal(t, "recipients in the hour", first.got(), 2)
		<-time.After(time.Hour)
		equal(t, "recipients in two", first.got(), 4)
		if !slices.Contains(first.subjects[2:], "0002") {
			t.Errorf("sent %q, want 0002 among the oldest", first.subjects)
		}
	})
}
