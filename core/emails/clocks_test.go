package emails_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// skewed is a clock that can be set.
type skewed struct {
	clock.System
	by atomic.Int64
}

func (c *skewed) set(by time.Duration) { c.by.Store(int64(by)) }

func (c *skewed) Now() time.Time { return c.System.Now().Add(time.Duration(c.by.Load())) }

// begun is an emails.Service at work that promises to send nothing twice, and how it is ended.
func begun(t *testing.T, mails *mailer, j *memjournal.Journal, clock ports.Clock, restored func() (time.Time, bool)) (s *emails.Service, stop func()) {
	t.Helper()
	s = emails.New(emails.Options{
		Journal: j, Mailers: []ports.Mailer{mails}, Text: htmltext.Text{}, Clock: clock, IDs: ids.UUIDs{},
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtMostOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
		Restored: restored,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	return s, func() { cancel(); <-done }
}

func mustAccept(t *testing.T, s *emails.Service, d email.Draft, k idempotency.Key) email.Message {
	t.Helper()
	m, _, err := s.Accept(t.Context(), tenant, d, k)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A single reading of a clock gives up no key.
func TestAClockThatIsSetSendsNothingTwice(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ sent, then time.Duration }{
		"80 hours behind while it is accepted":      {-80 * time.Hour, 0},
		"80 hours ahead for two minutes afterwards": {0, 80 * time.Hour},
		"a year behind while it is accepted":        {-365 * 24 * time.Hour, 0},
		"a year ahead for two minutes afterwards":   {0, 365 * 24 * time.Hour},
		"behind at first, and ahead afterwards":     {-80 * time.Hour, 80 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				mails, clock := &mailer{name: "first", sent: map[string]int{}}, &skewed{}
				clock.set(tt.sent)
				s, stop := begun(t, mails, memjournal.New(clock), clock, nil)
				defer stop()
				first := mustAccept(t, s, draft(), key("k"))
				<-time.After(2 * time.Minute)
				clock.set(tt.then)
				<-time.After(2 * time.Minute)
				clock.set(0)
				for _, later := range []time.Duration{2 * time.Minute, 20 * time.Hour} {
					<-time.After(later)
					if again := mustAccept(t, s, draft(), key("k")); again.ID != first.ID {
						t.Errorf("%s later it is %s, was %s", later, again.ID, first.ID)
					}
				}
				<-time.After(2 * time.Minute)
				if n := mails.tried(); n != 1 {
					t.Errorf("it went out %d times", n)
				}
			})
		})
	}
}

// The time of keys runs by the store's clock: those of the gateways need not agree. One that
// is behind does not ask over and over whether it has come yet.
func TestGatewaysWhoseClocksDoNotAgreeSendNothingTwice(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ asked, other time.Duration }{
		"the other is 80 hours ahead":               {0, 80 * time.Hour},
		"the one that was asked is 80 hours behind": {-80 * time.Hour, 0},
		"one is behind, the other a year ahead":     {-80 * time.Hour, 365 * 24 * time.Hour},
		"the other is 80 hours behind":              {0, -80 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				mails, journal := &mailer{name: "first", sent: map[string]int{}}, memjournal.New(clock.System{})
				journal.Fail = func(op string) error { // a store takes a while
					if op == memjournal.Claim {
						<-time.After(time.Second)
					}
					return nil
				}
				asked, other := &skewed{}, &skewed{}
				asked.set(tt.asked)
				other.set(tt.other)
				s, stop := begun(t, mails, journal, asked, nil)
				_, stopOther := begun(t, mails, journal, other, nil)
				defer stopOther()
				first := mustAccept(t, s, draft(), key("k"))
				<-time.After(time.Minute)
				stop() // from now on the other counts
				<-time.After(40 * time.Hour)
				if r, err := journal.Get(t.Context(), tenant, emails.Kind, first.ID); err != nil || r.Rev > 10 {
					t.Errorf("it was written %d times, %v", r.Rev, err)
				}
				if again := mustAccept(t, s, draft(), key("k")); again.ID != first.ID || mails.tried() != 1 {
					t.Errorf("%s, was %s; it went out %d times", again.ID, first.ID, mails.tried())
				}
			})
		})
	}
}

// What waited in an older copy of the store may have gone out since. Whether a message is of
// that time is said by what is written in it, not by a clock.
func TestMailOfAnOlderCopyIsNotSentTwiceWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{
		"right": 0, "five minutes behind": -5 * time.Minute, "80 hours behind": -80 * time.Hour, "an hour ahead": time.Hour,
	} {
		for again, second := range map[string]bool{"the first restore": false, "a further restore": true} {
			t.Run(name+", "+again, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					mails, before := &mailer{name: "first", sent: map[string]int{}}, time.Time{}
					if second {
						before = time.Now().Add(-time.Hour)
					}
					journal := memjournal.New(clock.System{})
					one, stop := begun(t, mails, journal, clock.System{}, since(before))
					d := draft()
					d.SendAt = time.Now().Add(30 * time.Second)
					m := mustAccept(t, one, d, idempotency.Key{})
					<-time.After(time.Second)
					older := copied(t, journal)
					<-time.After(time.Minute)
					stop()
					if n := mails.copies(m.ID); n != 1 {
						t.Fatalf("%d copies before the restore", n)
					}
					clock := &skewed{}
					clock.set(by)
					two, stop := begun(t, mails, older, clock, since(clock.Now()))
					defer stop()
					fresh := mustAccept(t, two, draft(), idempotency.Key{})
					<-time.After(time.Hour)
					if now, err := two.Get(t.Context(), tenant, m.ID); err != nil || now.Status != email.Unknown || mails.copies(m.ID) != 1 {
						t.Errorf("%s, %v; %d copies", now.Status, err, mails.copies(m.ID))
					}
					if n := mails.copies(fresh.ID); n != 1 {
						t.Errorf("%d copies of what was accepted since", n)
					}
					// A person may say that it is to go out all the same.
					if _, err := two.Retry(t.Context(), tenant, m.ID); err != nil {
						t.Fatal(err)
					}
					<-time.After(2 * time.Hour) // it is queued by that clock
					if n := mails.copies(m.ID); n != 2 {
						t.Errorf("%d copies after a person had it sent", n)
					}
				})
			})
		}
	}
}

// since is the answer of a gateway that knows its store.
func since(at time.Time) func() (time.Time, bool) {
	return func() (time.Time, bool) { return at, true }
}

// copied is a whole copy of a journal, as a backup of its file is.
func copied(t *testing.T, j *memjournal.Journal) *memjournal.Journal {
	t.Helper()
	to := memjournal.New(clock.System{})
	for _, section := range ports.Sections() {
		page, _, err := memjournal.Archive{Journal: j}.Scan(t.Context(), section, "", 10_000)
		if err == nil {
			err = (memjournal.Archive{Journal: to}).Put(t.Context(), section, page...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// What waits, or is tried again, after the restore is sent as ever, also by the next process.
func TestMailThatIsTriedSinceTheRestoreIsSent(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Duration{"no restore": 0, "a restore by a clock that is ahead": 80 * time.Hour, "one by a clock that is behind": -80 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var restored time.Time
				if at != 0 {
					restored = time.Now().Add(at)
				}
				mails := &mailer{name: "first", sent: map[string]int{}, fail: once(fault.Unavailable)}
				journal := memjournal.New(clock.System{})
				one, stop := begun(t, mails, journal, clock.System{}, since(restored))
				m := mustAccept(t, one, draft(), idempotency.Key{})
				<-time.After(time.Second)
				stop()
				two, stop := begun(t, mails, journal, clock.System{}, since(restored.Local()))
				defer stop()
				<-time.After(time.Minute)
				if now, err := two.Get(t.Context(), tenant, m.ID); err != nil || now.Status != email.Sent || mails.copies(m.ID) != 1 {
					t.Errorf("%s, %v; %d copies", now.Status, err, mails.copies(m.ID))
				}
			})
		})
	}
}

// Where a message does not say under which restore it was written, the times are compared:
// an earlier version has written it, or a gateway that did not know its store yet.
func TestMailThatDoesNotTellItsRestoreIsJudgedByTheTimes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		restored time.Duration // after the message was written
		status   email.Status
	}{
		"before the message": {-time.Minute, email.Sent},
		"after the message":  {time.Minute, email.Unknown},
	} {
		for who, former := range map[string]bool{"an earlier version": true, "a gateway without its store": false} {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					journal := memjournal.New(clock.System{})
					mails := &mailer{name: "first", sent: map[string]int{}, fail: once(fault.Unavailable)}
					unknown := func() (time.Time, bool) { return time.Time{}, former }
					one, stop := begun(t, mails, journal, clock.System{}, unknown)
					m := mustAccept(t, one, draft(), idempotency.Key{})
					<-time.After(time.Second)
					stop()
					if former {
						withoutRestore(t, journal, m.ID)
					}
					two, stop := begun(t, mails, journal, clock.System{}, since(m.CreatedAt.Add(tt.restored)))
					defer stop()
					<-time.After(time.Hour)
					if now, err := two.Get(t.Context(), tenant, m.ID); err != nil || now.Status != tt.status {
						t.Errorf("%s, %v", now.Status, err)
					}
				})
			})
		}
	}
}

// withoutRestore makes of a message what an earlier version would have written.
func withoutRestore(t *testing.T, j *memjournal.Journal, id string) {
	t.Helper()
	r, err := j.Get(t.Context(), tenant, emails.Kind, id)
	if err != nil {
		t.Fatal(err)
	}
	r = changed(t, r, func(m *email.Message) { m.Restore = nil })
	if err := j.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
}
