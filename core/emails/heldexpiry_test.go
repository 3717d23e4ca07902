package emails_test

import (
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
)

// fillDay uses up the day's rate of one recipient, and lets both gateways find that out.
func (o *outpost) fillDay(t *testing.T) {
	t.Helper()
	for range 2 {
		mustAccept(t, o.Service, draft(), idempotency.Key{})
		<-time.After(5 * time.Second)
	}
}

// expiring returns the messages in the store that expire.
func (o *outpost) expiring(t *testing.T) (all []email.Message) {
	t.Helper()
	for _, r := range o.store.Records() {
		if r.Kind != emails.Kind {
			continue
		}
		m, err := o.Get(t.Context(), tenant, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !m.ExpiresAt.IsZero() {
			all = append(all, m)
		}
	}
	return all
}

// checkExpired checks that the store has n messages that expire, and that all of them have ended by now.
func (o *outpost) checkExpired(t *testing.T, n int) {
	t.Helper()
	all := o.expiring(t)
	equal(t, "messages that expire", len(all), n)
	for _, m := range all {
		if m.Status != email.Failed || m.LastAttempt().Code != email.CodeExpired {
			t.Errorf("%s is %s, code %q; want failed, expired", m.ID, m.Status, m.LastAttempt().Code)
		}
	}
}

// What was held may get another id on its way into the store, because the id of its key belongs to an earlier
// message, whose key was given up.
func TestWhatGetsAnotherIDOnItsWayIntoTheStoreEndsWhenItExpires(t *testing.T) {
	// Each accepts under a key, with an expiry if it is not the first; n is how many messages that makes.
	for name, tt := range map[string]struct {
		n      int
		accept func(t *testing.T, o *outpost, expiresAt time.Time)
	}{
		"a message": {1, func(t *testing.T, o *outpost, expiresAt time.Time) {
			d := draft()
			d.ExpiresAt = expiresAt
			mustAccept(t, o.Service, d, key("k"))
		}},
		"a message with files": {1, func(t *testing.T, o *outpost, expiresAt time.Time) {
			d := laden(1 << 20)
			d.ExpiresAt = expiresAt
			mustAccept(t, o.Service, d, key("k"))
		}},
		"a batch of two messages": {2, func(t *testing.T, o *outpost, expiresAt time.Time) {
			d := batchOf(1)
			if !expiresAt.IsZero() {
				d = batchOf(120)
			}
			d.ExpiresAt = expiresAt
			if _, _, err := o.AcceptBatch(t.Context(), tenant, d, key("k")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cutOffWithin(t, usedUp(), func(t *testing.T, o *outpost) {
				o.provider.features.Personalizations, o.provider.features.MergesContent = 1000, true
				tt.accept(t, o, time.Time{})
				<-time.After(idempotency.Kept + time.Hour)
				o.fillDay(t)
				o.way.gone.Store(true)
				tt.accept(t, o, time.Now().Add(2*time.Hour))
				<-time.After(10 * time.Minute)
				o.way.gone.Store(false)
				<-time.After(time.Hour)
				for _, m := range o.expiring(t) {
					equal(t, "status an hour before it expires", m.Status, email.Queued)
				}
				<-time.After(52 * time.Minute)
				o.checkExpired(t, tt.n)
			})
		})
	}
}

// What one gateway holds is not in the store when it expires, and may come for longer than a day after.
func TestWhatWasHeldForMoreThanADayEndsOnceItComesIntoTheStore(t *testing.T) {
	for name, tt := range map[string]struct {
		lost  string        // the kind of record that is held, although the others are stored; empty if all are
		worth time.Duration // until when it is worth sending, since it was accepted
	}{
		"it expires while it is held":                  {"", 10 * time.Minute},
		"it alone is held, and expires":                {emails.Kind, 10 * time.Minute},
		"it expires after it has come into the store":  {"", 31 * time.Hour},
		"it alone is held, and expires after it comes": {emails.Kind, 31 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			cutOffWithin(t, usedUp(), func(t *testing.T, o *outpost) {
				<-time.After(time.Minute) // the provider has its queue
				o.way.gone.Store(tt.lost == "")
				o.way.lost.Store(&tt.lost)
				d := draft()
				d.ExpiresAt = time.Now().Add(tt.worth)
				mustAccept(t, o.Service, d, idempotency.Key{})
				<-time.After(30 * time.Hour)
				// The other gateway uses up the day's rate, and both find that out.
				o.way.mute.Store(true)
				mustAccept(t, o.other, draft(), idempotency.Key{})
				<-time.After(5 * time.Second)
				o.way.mute.Store(false)
				mustAccept(t, o.other, draft(), idempotency.Key{})
				<-time.After(5 * time.Second)
				equal(t, "sent", len(o.provider.letters), 1)
				o.way.gone.Store(false)
				o.way.lost.Store(nil)
				<-time.After(max(time.Until(d.ExpiresAt), 0) + 2*time.Minute)
				o.checkExpired(t, 1)
			})
		})
	}
}
