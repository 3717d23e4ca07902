package emails_test

import (
	"bytes"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/ports"
)

// A provider's name may mean another account after a restart, which does not know what the one before was
// asked. A repeat there would send the message a second time.
func TestAnAttemptIsRepeatedOnlyAtTheAccountThatWasAsked(t *testing.T) {
	type end struct {
		status   email.Status
		attempts string
		copies   int // by either account and by the other provider
	}
	learned := map[email.Delivery]end{
		email.AtMostOnce:  {email.Sent, "first:accepted ", 1},
		email.AtLeastOnce: {email.Sent, "first:accepted ", 1},
	}
	inDoubt := map[email.Delivery]end{
		email.AtMostOnce:  {email.Unknown, "first:ambiguous ", 1},
		email.AtLeastOnce: {email.Sent, "first:ambiguous second:accepted ", 2},
	}
	for name, tt := range map[string]struct {
		moved  bool // the provider's name means another account after the restart
		forget bool // an earlier version has begun the attempt, and stored no account with it
		code   string
		ends   map[email.Delivery]end
	}{
		"the same account":                 {ends: learned},
		"another account":                  {moved: true, code: "account_changed", ends: inDoubt},
		"an attempt of an earlier version": {forget: true, code: "account_changed", ends: inDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, d email.Delivery) {
				repeating(t, []reaction{{takes: true, err: errNoAnswer}}, func(t *testing.T, r *repeats) {
					s, stop := r.start(t, "one", clock.System{}, time.Time{})
					m := r.accept(t, s, d)
					<-time.After(time.Second)
					stop()
					if tt.forget {
						r.forgetAccount(t, m.ID)
					}
					other, now := &keyed{name: "first", account: "second account"}, r.first
					if tt.moved {
						now = other
					}
					s, _ = r.start(t, "two", clock.System{}, time.Time{}, now, r.second)
					<-time.After(time.Hour)
					m, err := s.Get(t.Context(), tenant, m.ID)
					if err != nil {
						t.Fatal(err)
					}
					elsewhere, _ := other.state()
					equal(t, "how it ended", end{m.Status, outcomes(m), r.sent() + elsewhere + r.second.copies(m.ID)}, tt.ends[d])
					equal(t, "code of the attempt", m.Attempts[0].Code, tt.code)
				})
			})
		})
	}
}

// forgetAccount makes the record of a message as an earlier version has written it.
func (r *repeats) forgetAccount(t *testing.T, id string) {
	t.Helper()
	record, err := r.journal.Get(t.Context(), tenant, emails.Kind, id)
	if err != nil {
		t.Fatal(err)
	}
	before := record.Body
	record.Body = bytes.ReplaceAll(before, []byte(`"account":"first account",`), nil)
	equal(t, "the attempt had an account", len(record.Body) < len(before), true)
	if err := r.journal.Save(t.Context(), &record)[0]; err != nil {
		t.Fatal(err)
	}
}

// A provider that does not tell its account is asked once, although it remembers attempts.
func TestACallIsNotRepeatedAtAnAccountThatIsNotKnown(t *testing.T) {
	repeating(t, nil, func(t *testing.T, r *repeats) {
		first := &metered{name: "first", features: email.Features{Metadata: true, Tags: 10, KeyMemory: memory}, fail: func(time.Time) error { return errNoAnswer }}
		s, _ := r.start(t, "one", clock.System{}, time.Time{}, ports.Mailer(first))
		m := r.accept(t, s, email.AtMostOnce)
		<-time.After(time.Hour)
		m, err := s.Get(t.Context(), tenant, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", m.Status, email.Unknown)
		equal(t, "attempts", outcomes(m), "first:ambiguous ")
		equal(t, "code of the attempt", m.Attempts[0].Code, "no_answer")
	})
}
