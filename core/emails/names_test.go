package emails_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// formerID is the id that the version before gave the message of key("k"): known to
// everybody who knows the key.
const formerID = "msg_4z942ag3gnnjnb0b4whs78hnb8"

// formerKept is until when a key of that version is kept: nothing of its time is counted
// before it comes up, which is when that version would have given it up.
const formerKept = idempotency.Kept + 2*24*time.Hour

// former is the record of a message as the version before has left it.
func former(t *testing.T, status email.Status, attempts ...email.Attempt) ports.Record {
	t.Helper()
	now, k := time.Now(), guess("k", "a")
	body, err := json.Marshal(email.Message{
		ID: formerID, Tenant: tenant, Status: status, From: email.Address{Email: "shop@example.com"},
		To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hi", Text: "x", Delivery: email.AtLeastOnce,
		MessageID: formerID + "@example.com", Key: k.Scoped, Fingerprint: k.Fingerprint, CreatedAt: now, UpdatedAt: now,
		Attempts: attempts,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ports.Record{
		Tenant: tenant, Kind: emails.Kind, ID: formerID, Idem: k.Scoped, Body: body,
		Index: ports.Index{Status: string(status), Created: now},
	}
}

// before stores a message as the version before has left it: sent, under that version's id.
func (o *outpost) before(t *testing.T) {
	t.Helper()
	now := time.Now()
	r := former(t, email.Sent, email.Attempt{ID: "att_1", Provider: "first", Outcome: email.Accepted, StartedAt: now, EndedAt: now})
	r.Queue, r.Due = "mail_rest", now.Add(idempotency.Kept)
	if err := o.store.Save(t.Context(), &r)[0]; err != nil {
		t.Fatal(err)
	}
}

// Whatever the version, a key stands for one message while it is kept: wherever that is,
// and whoever takes the repeat.
func TestAKeyOfTheVersionBeforeStandsForItsMessage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		later   time.Duration // than the message of the version before
		gone    time.Duration // how long the store is, from then on
		id      string        // of what is answered; empty for a new one
		letters int
	}{
		{name: "the store is there", later: time.Hour, id: formerID},
		{name: "the store is gone for a while", later: time.Hour, gone: time.Hour},
		{name: "the key is given up before the store is back", later: formerKept - time.Hour, gone: 3 * time.Hour},
		{name: "the key was given up", later: formerKept + time.Hour, letters: 1},
		{name: "the key was given up and the store is gone", later: formerKept + time.Hour, gone: time.Hour, letters: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cutOff(t, func(t *testing.T, o *outpost) {
				o.before(t)
				<-time.After(tt.later)
				o.way.gone.Store(tt.gone > 0)
				if m := o.accept(t); tt.id != "" && m.ID != tt.id {
					t.Errorf("the repeat is answered with %s, want %s", m.ID, tt.id)
				}
				<-time.After(tt.gone)
				o.way.gone.Store(false)
				o.sentInTheEnd(t, tt.letters)
			})
		})
	}
}

// What the version before has held for the store, and moves after this one has sent the
// same and given up the key.
func TestWhatTheVersionBeforeHeldIsNotSentAgain(t *testing.T) {
	cutOff(t, func(t *testing.T, o *outpost) {
		o.accept(t)
		<-time.After(idempotency.Kept - time.Hour)
		o.way.gone.Store(true)
		held := former(t, email.Queued)
		held.Queue, held.Due = "mail", time.Now()
		if err := o.held.Save(t.Context(), &held)[0]; err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Hour)
		o.way.gone.Store(false)
		o.sentInTheEnd(t, 1)
	})
}

// The same key gives the same id wherever it comes, and another one to each installation.
func TestOnlyTheInstallationKnowsTheIDOfAKey(t *testing.T) {
	t.Parallel()
	id := func(secret, value string) (id string) {
		synctest.Test(t, func(t *testing.T) {
			room := emails.New(emails.Options{
				Journal: memjournal.New(clock.System{}), Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{}, Names: emails.Names{Secret: []byte(secret)},
				Mailers: []ports.Mailer{&mailer{name: "first", sent: map[string]int{}}},
				From:    email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
			})
			m, _, err := room.Accept(t.Context(), tenant, draft(), key(value))
			if err != nil {
				t.Fatal(err)
			}
			id = m.ID
		})
		return id
	}
	mine := id("mine", "k")
	if again := id("mine", "k"); again != mine {
		t.Errorf("one key stands for %s and %s", mine, again)
	}
	for name, other := range map[string]string{
		"another secret": id("theirs", "k"), "no secret": id("", "k"), "another key": id("mine", "l"), "the version before": formerID,
	} {
		if other == mine {
			t.Errorf("%s gives %s, too", name, mine)
		}
	}
}

// A message that came while the store was gone, and before the key of the one that is stored
// was given up, is a repeat of that: also where a clock that was wrong made the key last longer
// than its times say.
func TestWhatCameBeforeTheKeyWasGivenUpIsARepeat(t *testing.T) {
	t.Parallel()
	for after, same := range map[time.Duration]bool{time.Hour: true, 49 * time.Hour: true, 51 * time.Hour: false} {
		held, given := former(t, email.Queued), time.Now()
		stored := changed(t, former(t, email.Sent), func(m *email.Message) {
			m.CreatedAt, m.Key, m.Fingerprint = given.Add(-80*time.Hour), "", "" // by a clock that was behind
			m.KeyAge = idempotency.Age{Steps: 3, At: given.Add(50 * time.Hour)}
		})
		stored.Idem = ""
		held = changed(t, held, func(m *email.Message) { m.CreatedAt = given.Add(after) })
		if got := names.SameRequest(held, stored); got != same {
			t.Errorf("%s after the first: the same is %v", after, got)
		}
	}
}

func changed(t *testing.T, r ports.Record, change func(*email.Message)) ports.Record {
	t.Helper()
	var m email.Message
	if err := json.Unmarshal(r.Body, &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	var err error
	if r.Body, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return r
}
