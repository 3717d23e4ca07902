package emails_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/email"
	"patchbay/core/idempotency"
)

// The schedule would repeat the calls more than an hour later.
func TestCallsInDoubtAreRepeatedOnceTheirProviderRecovers(t *testing.T) {
	repeating(t, nil, func(t *testing.T, r *repeats) {
		end := time.Now().Add(time.Hour)
		r.first.breaks = func(email.Message) error {
			if time.Now().Before(end) {
				return errNoAnswer
			}
			return nil
		}
		s, _ := r.start(t, "one", clock.System{}, time.Time{})
		var all []email.Message
		for range 20 {
			all = append(all, r.accept(t, s, email.AtMostOnce))
		}
		<-time.After(time.Until(end) + time.Second)
		equal(t, "copies before the provider has accepted anything", r.sent(), 0)
		r.accept(t, s, email.AtMostOnce) // it finds that the provider works
		<-time.After(5 * time.Second)
		for _, m := range all {
			got, err := s.Get(t.Context(), tenant, m.ID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "status five seconds after the outage", got.Status, email.Sent)
			equal(t, "attempts", outcomes(got), "first:accepted ")
		}
		equal(t, "copies", r.sent(), len(all)+1)
	})
}

// One message is never answered for, while its provider accepts others all the time.
func TestAMessageThatIsNeverAnsweredForIsNotRepeatedAllTheTime(t *testing.T) {
	repeating(t, nil, func(t *testing.T, r *repeats) {
		calls := 0
		r.first.breaks = func(m email.Message) error {
			if m.Subject == "never" {
				calls++
				return errNoAnswer
			}
			return nil
		}
		s, _ := r.start(t, "one", clock.System{}, time.Time{})
		d := draft()
		d.Subject, d.Delivery = "never", email.AtMostOnce
		m := mustAccept(t, s, d, idempotency.Key{})
		for range 2 * 60 {
			<-time.After(time.Minute)
			r.accept(t, s, email.AtMostOnce)
		}
		got, err := s.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", got.Status, email.Sending)
		if calls < 8 || calls > 20 {
			t.Errorf("%d calls in two hours, want 8 to 20", calls)
		}
	})
}
