package emails_test

import (
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

// rateRecord returns the record of what the provider was given.
func (r *rated) rateRecord(t *testing.T) ports.Record {
	t.Helper()
	for _, one := range r.journal.Records() {
		if one.Kind == "mail_rate" {
			return one
		}
	}
	t.Fatal("there is no record of what the provider was given")
	return ports.Record{}
}

// putBack stores an older record of what the provider was given, as an older copy of the store has it.
func (r *rated) putBack(t *testing.T, older ports.Record) {
	t.Helper()
	older.Rev = r.rateRecord(t).Rev
	if err := r.journal.Save(t.Context(), &older)[0]; err != nil {
		t.Fatal(err)
	}
}

// A gateway that runs while an older copy of the store is put back knows what was given since.
func TestAnOlderCopyOfTheStoreDoesNotGiveRoomBack(t *testing.T) {
	for name, tt := range map[string]struct {
		before time.Duration
		body   string // of the older record; empty for what it was
	}{
		"of the same hour":             {time.Minute, ""},
		"of the hour before":           {time.Hour, ""},
		"of before anything was given": {time.Minute, "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			first := &metered{name: "first"}
			withRates(t, map[string]emails.Rate{"first": {Most: 40, Per: time.Hour, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
				s, stop := r.start(t, "one")
				defer stop()
				atTheHour(0)
				sendMany(t, s, 5)
				<-time.After(time.Second)
				older := r.rateRecord(t)
				if tt.body != "" {
					older.Body = []byte(tt.body)
				}
				<-time.After(tt.before)
				sendMany(t, s, 30)
				r.putBack(t, older)
				for range 40 {
					mustAccept(t, s, draft(), idempotency.Key{})
				}
				<-time.After(10 * time.Minute)
				equal(t, "most in an hour", first.most(time.Hour), 40)
				<-time.After(2 * time.Hour)
				equal(t, "recipients in the end", first.got(), 75)
				equal(t, "most in an hour, in the end", first.most(time.Hour), 40)
			})
		})
	}
}

// A gateway whose clock was wrong has seen a window that others have given up, and does not bring it back.
func TestAWindowThatWasGivenUpIsNotBroughtBack(t *testing.T) {
	first := &metered{name: "first"}
	withRates(t, map[string]emails.Rate{"first": {Most: 20, Per: time.Minute, Waits: true}}, []ports.Mailer{first}, func(t *testing.T, r *rated) {
		wrong := &skewed{}
		wrong.set(8 * time.Minute)
		one, stopOne := r.startAt(t, "wrong", wrong)
		for range 20 {
			mustAccept(t, one, draft(), idempotency.Key{})
		}
		<-time.After(8*time.Minute + 2*time.Second)
		equal(t, "recipients by the wrong clock", first.got(), 20)
		two, stopTwo := r.startAt(t, "right", clock.System{})
		mustAccept(t, two, draft(), idempotency.Key{})
		<-time.After(time.Second)
		stopTwo()
		wrong.set(0)
		<-time.After(4 * time.Minute) // the window is five minutes ahead at most from now on
		for range 20 {
			mustAccept(t, one, draft(), idempotency.Key{})
		}
		<-time.After(time.Minute)
		equal(t, "recipients", first.got(), 41)
		stopOne()
	})
}
