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

// An email that expires is accepted while the store is gone, also where it will wait for a rate; and it ends
// when it expires.
func TestMailThatWasHeldAndWaitsForARateEndsWhenItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fails := &failing{}
		s := environment{clock: clock.System{}, ids: ids.UUIDs{}, log: slog.New(slog.DiscardHandler), owner: "one"}
		held, err := openSpool(t.Context(), gated{memjournal.New(s.clock), fails}, memjournal.New(s.clock), s)
		if err != nil {
			t.Fatal(err)
		}
		mail := emails.New(emails.Options{
			Journal: held, Mailers: []ports.Mailer{postman{name: "sendgrid", fails: &failing{}}}, Text: htmltext.Text{}, Clock: s.clock, IDs: s.ids,
			Rates: map[string]emails.Rate{"sendgrid": {Most: 1, Per: 24 * time.Hour}},
			From:  email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: s.log,
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { held.Run(ctx) })
		running.Go(func() { mail.Run(ctx) })
		synctest.Wait()
		accept := func(expiresAt time.Time) email.Message {
			d := email.Draft{To: []email.Address{{Email: "ada@example.com"}}, Subject: "Hello", HTML: "<p>Hello</p>", ExpiresAt: expiresAt}
			m, _, err := mail.Accept(t.Context(), "default", d, idempotency.Key{})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		for range 2 { // the second finds out that there is no room
			accept(time.Time{})
			<-time.After(time.Second)
		}
		fails.set(fault.New(fault.Unavailable, "connection_failed", ""), false)
		m := accept(time.Now().Add(10 * time.Minute))
		<-time.After(time.Minute)
		fails.set(nil, false)
		<-time.After(10 * time.Minute)
		if got, err := mail.Get(t.Context(), "default", m.ID); got.Status != email.Failed || got.LastAttempt().Code != "expired" || err != nil {
			t.Errorf("status %s, code %q, %v; want failed, expired", got.Status, got.LastAttempt().Code, err)
		}
		stop()
		running.Wait()
	})
}
