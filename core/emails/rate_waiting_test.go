package emails_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
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

// A message that comes back into the queue is as old as it was: younger ones do not overtake it.
func TestAMessageThatIsRequeuedKeepsItsPlaceAmongThoseThatWaitForRoom(t *testing.T) {
	big := make([]byte, 13<<20) // two of that size are not sent at the same time
	for _, tt := range []struct {
		name  string
		old   func() email.Draft
		hours int // until it must be sent
	}{
		{"after a recipient was refused by name", func() email.Draft {
			d := draft()
			d.To = append(d.To, email.Address{Email: "bad@example.com"})
			return d
		}, 0},
		{"after there was no memory for it", func() email.Draft {
			d := draft()
			d.Attachments = []email.Attachment{{Filename: "big", ContentType: "text/plain", Content: big}}
			return d
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := &reacting{metered: &metered{name: "first", features: email.Features{Attachments: true}}, send: func(m email.Message) error {
				switch {
				case len(m.To) > 1:
					<-time.After(20 * time.Second)
					return refusedBy(email.RefusedRecipients{{Email: "bad@example.com", Code: "550"}})
				case m.Subject == "first":
					<-time.After(20 * time.Second)
				}
				return nil
			}}
			withRates(t, map[string]emails.Rate{"first": {Most: 3, Per: time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				send := func(d email.Draft, subject string) {
					d.Subject = subject
					mustAccept(t, s, d, idempotency.Key{})
					<-time.After(time.Second)
				}
				d := tt.old()
				d.To = d.To[:1]
				send(d, "first")
				send(tt.old(), "old")
				for range 10 {
					send(draft(), "young")
				}
				<-time.After(time.Duration(tt.hours)*time.Hour + time.Minute)
				equal(t, "the old one is sent", slices.Contains(first.subjects, "old"), true)
				equal(t, "sent", first.got(), 3*(tt.hours+1))
			})
		})
	}
}

// reacting is a metered provider whose calls are as send says.
type reacting struct {
	*metered
	send func(email.Message) error
}

func (s *reacting) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if err := s.send(m); err != nil {
		return email.Receipt{}, err
	}
	return s.metered.Send(ctx, m)
}

// A provider without room is no reason to give up a call whose repeat would tell what became of it.
func TestACallIsRepeatedForAsLongAsNoOtherProviderHasRoom(t *testing.T) {
	for _, tt := range []struct {
		name     string
		most     int // recipients of the other one
		attempts string
	}{
		{"none has room", 1, "first:accepted "},
		{"another one has room", 3, "first:ambiguous second:accepted "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var well time.Time
			first := &metered{name: "first", features: email.Features{KeyMemory: 24 * time.Hour, Account: "one"}, fail: func(now time.Time) error {
				if now.Before(well) {
					return fault.New(fault.UnknownOutcome, "scripted", "")
				}
				return nil
			}}
			second := &metered{name: "second", features: email.Features{Tags: 1}}
			rates := map[string]emails.Rate{"second": {Most: tt.most, Per: 24 * time.Hour}}
			withRates(t, rates, []ports.Mailer{first, second}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				for range 2 { // the second of them finds out if there is room for one only
					d := draft()
					d.Tags = []string{"second"}
					mustAccept(t, s, d, idempotency.Key{})
				}
				well = time.Now().Add(20 * time.Minute)
				m := mustAccept(t, s, draft(), idempotency.Key{})
				<-time.After(time.Hour)
				m, err := s.Get(t.Context(), tenant, m.ID)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "status", m.Status, email.Sent)
				equal(t, "attempts", outcomes(m), tt.attempts)
			})
		})
	}
}

// refusingAttempts is a journal that does not save the beginning of some attempts.
type refusingAttempts struct {
	*memjournal.Journal
	err  error
	left atomic.Int64 // how many
}

func (j *refusingAttempts) Save(ctx context.Context, records ...*ports.Record) []error {
	if r := records[0]; r.Kind == emails.Kind && r.Index.Status == string(email.Sending) && j.left.Add(-1) >= 0 {
		return []error{j.err}
	}
	return j.Journal.Save(ctx, records...)
}

func TestRoomIsGivenBackIfTheAttemptIsNotBegun(t *testing.T) {
	for kind, want := range map[fault.Kind]int{
		fault.Unavailable:    5,
		fault.Conflict:       5,
		fault.UnknownOutcome: 3, // it may have begun, and is repeated then without taking any room
	} {
		t.Run(kind.String(), func(t *testing.T) {
			first := &metered{name: "first"}
			rates := map[string]emails.Rate{"first": {Most: 5, Per: 24 * time.Hour, Waits: true}}
			withRates(t, rates, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				j := &refusingAttempts{Journal: r.journal, err: fault.New(kind, "scripted", "")}
				j.left.Store(2)
				o := r.options("one")
				o.Journal = j
				s, stop := run(t, o)
				defer stop()
				sendMany(t, s, 8)
				<-time.After(time.Hour)
				equal(t, "recipients on the day", first.got(), want)
			})
		})
	}
}
