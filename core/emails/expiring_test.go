package emails_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// usedUp is a rate of a single recipient on each day, which the first message uses up.
func usedUp() map[string]emails.Rate {
	return map[string]emails.Rate{"first": {Most: 1, Per: 24 * time.Hour, Waits: true}}
}

// passing is a draft that expires in ten minutes, and whose text is not kept for longer than that.
func passing() email.Draft {
	d := draft()
	d.Keeping, d.ExpiresAt = email.UntilSent, time.Now().Add(10*time.Minute)
	return d
}

// mustHaveExpired checks that a message has ended as one that expired, and that nobody can read it.
func mustHaveExpired(t *testing.T, s *emails.Service, id string) {
	t.Helper()
	m, err := s.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "status", m.Status, email.Failed)
	equal(t, "code of the last attempt", m.LastAttempt().Code, "expired")
	if late := m.EndedAt.Sub(m.ExpiresAt); late < 0 || late > time.Minute {
		t.Errorf("ended %s after it expired, want a minute at most", late)
	}
	_, err = s.Content(t.Context(), tenant, id, nil)
	equal(t, "code of its content", fault.From(err).Code, "content_removed")
}

func TestWhatExpiresWhileItWaitsForRoomEndsThen(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 1)
		m := mustAccept(t, s, passing(), idempotency.Key{})
		<-time.After(9 * time.Minute)
		if _, err := s.Content(t.Context(), tenant, m.ID, nil); err != nil {
			t.Errorf("before it expires, its content is not there: %v", err)
		}
		<-time.After(2 * time.Minute)
		mustHaveExpired(t, s, m.ID)
		<-time.After(48 * time.Hour)
		equal(t, "recipients", first.got(), 1)
	})
}

// What expires is looked at by whichever process runs then.
func TestWhatExpiresWhileItWaitsForRoomEndsAfterARestart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		down  time.Duration // from the eleventh second on
		until time.Duration // when it has ended
	}{
		{"before it expires", time.Minute, 11 * time.Minute},
		{"after it has expired", time.Hour, time.Hour + 2*time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := &metered{name: "first"}
			withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				sendMany(t, s, 1)
				began := time.Now()
				m := mustAccept(t, s, passing(), idempotency.Key{})
				<-time.After(10 * time.Second)
				stop()
				<-time.After(tt.down)
				s, stop = r.start(t, "two")
				defer stop()
				<-time.After(time.Until(began.Add(tt.until)))
				got, err := s.Get(t.Context(), tenant, m.ID)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "status", got.Status, email.Failed)
				equal(t, "code of the last attempt", got.LastAttempt().Code, "expired")
				if got.PurgedAt.IsZero() {
					t.Error("what it says is still there")
				}
			})
		})
	}
}

func TestCopiesOfABatchThatWaitForRoomEndWhenTheyExpire(t *testing.T) {
	for name, features := range map[string]email.Features{
		"split for the provider": {},
		"split for the rate":     {Personalizations: 1000, MergesContent: true},
	} {
		t.Run(name, func(t *testing.T) {
			first := &metered{name: "first", features: features}
			rates := map[string]emails.Rate{"first": {Most: 7, Per: 24 * time.Hour, Waits: true}}
			withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				d := batchOf(120) // two messages
				d.Keeping = email.UntilSent
				b := expiredBatch(t, s, d)
				equal(t, "recipients that were sent to", b.Counts[email.Sent], 7)
				equal(t, "recipients that have expired", b.Counts[email.Failed], 113)
			})
		})
	}
}

// expiredBatch accepts a batch that expires in ten minutes, and returns it a minute after that.
func expiredBatch(t *testing.T, s *emails.Service, d email.BatchDraft) emails.BatchState {
	t.Helper()
	d.ExpiresAt = time.Now().Add(10 * time.Minute)
	b, _, err := s.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(11 * time.Minute)
	if b, err = s.GetBatch(t.Context(), tenant, b.ID); err != nil {
		t.Fatal(err)
	}
	return b
}

// A message of a batch that is claimed for the first time after it has expired.
func TestAMessageOfABatchThatWaitsForRoomEndsWhenItExpires(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 2) // the second finds out that there is no room
		b := expiredBatch(t, s, batchOf(3))
		equal(t, "recipients that have expired", b.Counts[email.Failed], 3)
	})
}

// What came to the provider from another one that has failed waits there as well.
func TestWhatHasFailedOverToAProviderWithoutRoomEndsWhenItExpires(t *testing.T) {
	first := &metered{name: "first", fail: func(time.Time) error { return fault.New(fault.Unavailable, "scripted", "") }}
	second := &metered{name: "second"}
	rates := map[string]emails.Rate{"second": {Most: 1, Per: 24 * time.Hour, Waits: true}}
	withRates(t, rates, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 1)
		m := mustAccept(t, s, passing(), idempotency.Key{})
		<-time.After(11 * time.Minute)
		mustHaveExpired(t, s, m.ID)
		equal(t, "recipients of the second", second.got(), 1)
	})
}

// A process that dies with a claim leaves the message in the queue that nothing is claimed from.
func TestWhatWasClaimedByAProcessThatDiedEndsOnceItExpires(t *testing.T) {
	for lease, ended := range map[time.Duration]time.Duration{time.Minute: 11 * time.Minute, 20 * time.Minute: 25 * time.Minute} {
		t.Run(fmt.Sprint("for ", lease), func(t *testing.T) {
			first := &metered{name: "first"}
			withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				sendMany(t, s, 1)
				m := mustAccept(t, s, passing(), idempotency.Key{})
				<-time.After(time.Second)
				claims, err := r.journal.Claim(t.Context(), "mail_rated:first", "dead", lease, 1)
				if err != nil || len(claims) != 1 || claims[0].ID != m.ID {
					t.Fatalf("claimed %v, %v", claims, err)
				}
				<-time.After(ended)
				got, err := s.Get(t.Context(), tenant, m.ID)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "status", got.Status, email.Failed)
				if got.EndedAt.Before(m.CreatedAt.Add(lease)) {
					t.Errorf("ended %s after it was accepted, while it was claimed", got.EndedAt.Sub(m.CreatedAt))
				}
			})
		})
	}
}

// What does not expire is sent in its order, within the rate, whatever ends between.
func TestTheBacklogOfARateKeepsItsOrderWhenSomeOfItExpires(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 5, Per: time.Minute}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		for i := range 60 {
			d := draft()
			d.Subject = fmt.Sprintf("%04d", i)
			if i%2 == 1 {
				d.ExpiresAt = time.Now().Add(3 * time.Minute)
			}
			mustAccept(t, s, d, idempotency.Key{})
			<-time.After(time.Second)
		}
		<-time.After(time.Hour)
		equal(t, "most in a minute", first.most(time.Minute), 5)
		for minute := range slices.Chunk(first.subjects, 5) {
			slices.Sort(minute) // they go out at the same time
		}
		if !slices.IsSorted(first.subjects) {
			t.Errorf("sent %q, want the oldest first", first.subjects)
		}
		lasting := 0
		for _, subject := range first.subjects {
			if (subject[3]-'0')%2 == 0 {
				lasting++
			}
		}
		equal(t, "sent of those that do not expire", lasting, 30)
	})
}

// The second records are removed once they are of no use.
func TestNothingIsLeftOfWhatWatchedAnExpiry(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, usedUp(), []ports.Mailer{first}, func(t *testing.T, r *rated) {
		s, stop := r.start(t, "one")
		defer stop()
		sendMany(t, s, 1)
		for range 3 {
			mustAccept(t, s, passing(), idempotency.Key{})
		}
		left := func() (n int) {
			for _, one := range r.journal.Records() {
				if one.Kind == emails.ExpiryKind {
					n++
				}
			}
			return n
		}
		equal(t, "records while they wait", left(), 3)
		if n, err := s.PurgeExpiries(t.Context(), time.Now().Add(time.Hour), 100); n != 0 || err != nil {
			t.Errorf("removed %d (%v) that are waited for", n, err)
		}
		<-time.After(15 * time.Minute)
		if n, err := s.PurgeExpiries(t.Context(), time.Now(), 100); n != 3 || err != nil {
			t.Errorf("removed %d (%v), want 3", n, err)
		}
		equal(t, "records in the end", left(), 0)
	})
}
