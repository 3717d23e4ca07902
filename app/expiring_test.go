package app

import (
	"context"
	"log/slog"
	"sync"
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

// heldMail is email that is accepted while the store may be gone, as the gateway is built, on virtual time. Its
// provider takes one recipient a day.
type heldMail struct {
	*emails.Service
	store *memjournal.Journal
	fails *failing
}

func withHeldMail(t *testing.T, test func(t *testing.T, h heldMail)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := environment{clock: clock.System{}, ids: ids.UUIDs{}, log: slog.New(slog.DiscardHandler), owner: "one"}
		h := heldMail{store: memjournal.New(s.clock), fails: &failing{}}
		held, err := openSpool(t.Context(), gated{h.store, h.fails}, memjournal.New(s.clock), s)
		if err != nil {
			t.Fatal(err)
		}
		h.Service = emails.New(emails.Options{
			Journal: held, Mailers: []ports.Mailer{postman{name: "sendgrid", fails: &failing{}}}, Text: htmltext.Text{}, Clock: s.clock, IDs: s.ids,
			Rates: map[string]emails.Rate{"sendgrid": {Most: 1, Per: 24 * time.Hour}}, Names: s.messageNames(),
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: s.log,
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { held.Run(ctx) })
		running.Go(func() { h.Run(ctx) })
		synctest.Wait()
		test(t, h)
		stop()
		running.Wait()
	})
}

// accept accepts an email. The zero time means that it does not expire.
func (h heldMail) accept(t *testing.T, expiresAt time.Time, key idempotency.Key) email.Message {
	t.Helper()
	d := email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", HTML: "<p>Hello</p>", ExpiresAt: expiresAt}
	m, _, err := h.Accept(t.Context(), "default", d, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fillDay uses up the rate of the day, and finds that out.
func (h heldMail) fillDay(t *testing.T) {
	t.Helper()
	for range 2 {
		h.accept(t, time.Time{}, idempotency.Key{})
		<-time.After(time.Second)
	}
}

// hold accepts an email that expires in ten minutes while the store is gone for one minute, and waits until it
// has expired.
func (h heldMail) hold(t *testing.T, key idempotency.Key) email.Message {
	t.Helper()
	h.fails.set(fault.New(fault.Unavailable, "connection_failed", ""), false)
	m := h.accept(t, time.Now().Add(10*time.Minute), key)
	<-time.After(time.Minute)
	h.fails.set(nil, false)
	<-time.After(10 * time.Minute)
	return m
}

func (h heldMail) checkExpired(t *testing.T, id string) {
	t.Helper()
	if got, err := h.Get(t.Context(), "default", id); got.Status != email.Failed || got.LastAttempt().Code != "expired" || err != nil {
		t.Errorf("status %s, code %q, %v; want failed, expired", got.Status, got.LastAttempt().Code, err)
	}
}

// An email that expires is accepted while the store is gone, also where it will wait for a rate; and it ends
// when it expires.
func TestMailThatWasHeldAndWaitsForARateEndsWhenItExpires(t *testing.T) {
	withHeldMail(t, func(t *testing.T, h heldMail) {
		h.fillDay(t)
		m := h.hold(t, idempotency.Key{})
		h.checkExpired(t, m.ID)
	})
}

// So does one that gets another id on its way into the store, because another email has that of its key.
func TestMailThatWasHeldAndGetsAnotherIDEndsWhenItExpires(t *testing.T) {
	withHeldMail(t, func(t *testing.T, h heldMail) {
		key := idempotency.New("default", "POST /api/emails", "k", []byte("a"))
		h.accept(t, time.Time{}, key)
		<-time.After(idempotency.Kept + time.Hour)
		h.fillDay(t)
		m := h.hold(t, key)
		stored, err := h.store.Find(t.Context(), emails.Kind, ports.ByIdem, key.Scoped)
		if err != nil || stored.ID == m.ID {
			t.Fatalf("stored as %q, %v; want another id", stored.ID, err)
		}
		h.checkExpired(t, stored.ID)
	})
}
