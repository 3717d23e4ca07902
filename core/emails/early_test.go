package emails_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// deferring is a provider that puts off the mail of one recipient until a time, and takes all other.
type deferring struct{ until time.Time }

func (*deferring) Name() string             { return "first" }
func (*deferring) Features() email.Features { return email.Features{} }

func (p *deferring) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	if m.To[0].Email == "eve@example.com" && time.Now().Before(p.until) {
		return email.Receipt{}, fault.New(fault.Unavailable, "deferred", "451 4.7.1 try again later")
	}
	return email.Receipt{Reference: "ref"}, nil
}

// acceptEach accepts so many messages, and again after each pause until the time is over.
func acceptEach(t *testing.T, s *emails.Service, n int, pause, over time.Duration) (ids []string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < over; <-time.After(pause) {
		for range n {
			ids = append(ids, mustAccept(t, s, draft(), idempotency.Key{}).ID)
		}
	}
	return ids
}

// Whenever the provider accepts another message, the one that waits is sent before its time. That must not use
// up the schedule, which lasts for more than a day.
func TestTriesBeforeTheirTimeDoNotUseUpTheSchedule(t *testing.T) {
	p := &deferring{}
	withRates(t, nil, []ports.Mailer{p}, func(t *testing.T, r *rated) {
		p.until = time.Now().Add(2 * time.Hour)
		s, stop := r.start(t, "one")
		defer stop()
		d := draft()
		d.To = []email.Address{{Email: "eve@example.com"}}
		m := mustAccept(t, s, d, idempotency.Key{})
		acceptEach(t, s, 1, time.Minute, 4*time.Hour)
		m, err := s.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", m.Status, email.Sent)
		if tries := len(m.Attempts); tries <= m.Failures+1 {
			t.Errorf("%d attempts and %d failures, want attempts before their time", tries, m.Failures)
		}
	})
}

// While the first provider fails and the second has no room, a message waits for the second. The first is not
// asked again in each window of the second's rate, but by the schedule.
func TestAProviderThatFailsIsAskedByTheScheduleWhileAnotherHasNoRoom(t *testing.T) {
	for _, kind := range []fault.Kind{fault.UnknownOutcome, fault.Unavailable} {
		for _, rate := range []emails.Rate{{Most: 1, Per: time.Second}, {Most: 5, Per: time.Minute}} {
			t.Run(fmt.Sprint(kind, " ", rate.Most, " in ", rate.Per), func(t *testing.T) {
				first := &mailer{name: "first", sent: map[string]int{}, fail: always(kind)}
				withRates(t, map[string]emails.Rate{"second": rate}, []ports.Mailer{first, &metered{name: "second"}}, func(t *testing.T, r *rated) {
					s, stop := r.start(t, "one")
					defer stop()
					ids := acceptEach(t, s, 100, 10*time.Minute, time.Minute)
					most := 0
					for _, id := range ids {
						m, err := s.Get(t.Context(), tenant, id)
						if err != nil {
							t.Fatal(err)
						}
						most = max(most, len(m.Attempts))
					}
					if most > 6 {
						t.Errorf("%d attempts of one message in ten minutes, want 6 at most, as the schedule has", most)
					}
				})
			})
		}
	}
}

// More mail comes than the only provider that works has room for. What waits has more than a day.
func TestNothingIsGivenUpWhileAProviderHasTooLittleRoom(t *testing.T) {
	first := &mailer{name: "first", sent: map[string]int{}, fail: always(fault.Unavailable)}
	second := &metered{name: "second"}
	withRates(t, map[string]emails.Rate{"second": {Most: 2, Per: time.Minute}}, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		ids := acceptEach(t, s, 3, time.Minute, time.Hour)
		states := map[email.Status]int{}
		for _, id := range ids {
			m, err := s.Get(t.Context(), tenant, id)
			if err != nil {
				t.Fatal(err)
			}
			states[m.Status]++
		}
		if states[email.Sent] < 115 || states[email.Sent]+states[email.Queued] != len(ids) {
			t.Errorf("after an hour %v of %d, want at least 115 sent, and the others queued", states, len(ids))
		}
	})
}
