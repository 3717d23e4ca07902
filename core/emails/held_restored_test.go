package emails_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
)

// only returns the only message in the store.
func (o *outpost) only(t *testing.T) email.Message {
	t.Helper()
	page, err := o.other.List(t.Context(), tenant, emails.Filter{}, "", 10)
	if err != nil || len(page.Messages) != 1 {
		t.Fatalf("messages in the store = %v, %v; want one", page.Messages, err)
	}
	return page.Messages[0]
}

// An email that was held may have been sent, whatever the spool says: by another gateway, to which the caller has
// given it too; or by this one, whose process died, or whose spool was put back, before it was noted. After an older
// copy of the store nothing shows that, so it is not sent under at_most_once. See docs/adr/0050.
func TestAnEmailThatWasHeldIsNotSentTwiceAfterAnOlderCopyOfTheStore(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(t *testing.T, o *outpost, accept func(*emails.Service)) // leaves it in the spool
		sent   int
	}{
		{"another gateway has sent it", func(t *testing.T, o *outpost, accept func(*emails.Service)) {
			accept(o.other)
			<-time.After(time.Minute)
			o.way.gone.Store(true)
			accept(o.Service)
		}, 1},
		{"it was sent, and then the spool is as it was before", func(t *testing.T, o *outpost, accept func(*emails.Service)) {
			o.way.gone.Store(true)
			accept(o.Service)
			held := o.local.State()
			o.way.gone.Store(false)
			<-time.After(time.Minute)
			o.way.gone.Store(true)
			o.local.Restore(held)
		}, 1},
		{"nobody has sent it", func(t *testing.T, o *outpost, accept func(*emails.Service)) {
			o.way.gone.Store(true)
			accept(o.Service)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cutOff(t, func(t *testing.T, o *outpost) {
				<-time.After(time.Minute)
				older := o.store.State()
				tt.before(t, o, func(s *emails.Service) {
					d := draft()
					d.Delivery = email.AtMostOnce
					mustAccept(t, s, d, key("k"))
				})
				sent := func() int { o.provider.mu.Lock(); defer o.provider.mu.Unlock(); return len(o.provider.letters) }
				equal(t, "sent before", sent(), tt.sent)
				o.store.Restore(older)
				now := time.Now()
				o.restored.Store(&now)
				ctx, stop := context.WithCancel(t.Context())
				var again sync.WaitGroup
				held := o.open(t) // as a new process does
				again.Go(func() { held.Run(ctx) })
				o.way.gone.Store(false)
				<-time.After(time.Hour)
				m := o.only(t)
				equal(t, "status", m.Status, email.Unknown)
				equal(t, "sent", sent(), tt.sent)
				if _, err := o.other.Retry(t.Context(), tenant, m.ID); err != nil { // a person may know that it was not
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				equal(t, "sent after a retry", sent(), tt.sent+1)
				stop()
				again.Wait()
			})
		})
	}
}
