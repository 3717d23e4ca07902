package emails_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/spool"
	"patchbay/core/template"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// way is the way of one gateway to a store that others reach all the time.
type way struct {
	ports.Journal
	gone atomic.Bool
	lost atomic.Pointer[string] // the kind of record that does not arrive, although the others do
	mute atomic.Bool            // nothing is claimed
}

func (w *way) fails() error {
	if w.gone.Load() {
		return fault.New(fault.Unavailable, "scripted", "")
	}
	return nil
}

func (w *way) Save(ctx context.Context, records ...*ports.Record) []error {
	if err := w.fails(); err != nil {
		return []error{err}
	}
	if kind := w.lost.Load(); kind != nil && records[0].Kind == *kind {
		return []error{fault.New(fault.Unavailable, "scripted", "")}
	}
	return w.Journal.Save(ctx, records...)
}

func (w *way) Claim(ctx context.Context, queue, owner string, lease time.Duration, n int, except ...string) ([]ports.Claim, error) {
	if w.mute.Load() {
		return nil, fault.New(fault.Unavailable, "scripted", "")
	}
	return w.Journal.Claim(ctx, queue, owner, lease, n, except...)
}

func (w *way) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	if err := w.fails(); err != nil {
		return err
	}
	return w.Journal.Attach(ctx, parent, children...)
}

func (w *way) Ping(ctx context.Context) error {
	if err := w.fails(); err != nil {
		return err
	}
	return w.Journal.Ping(ctx)
}

// A key stands for one id for ever, and for one message for 72 hours. The spool cannot
// know whether the message that its id stands for has given the key up.
func TestAKeyOfAnOldMessageIsUsedWhileTheStoreIsGone(t *testing.T) {
	tests := []struct {
		name         string
		before, gone time.Duration // since the first; of the outage that the second comes at the beginning of
		letters      int
	}{
		{"a repeat, that is moved when the key is given up", idempotency.Kept - time.Hour, 3 * time.Hour, 1},
		{"a new message under a key that was given up", idempotency.Kept + time.Hour, time.Hour, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cutOff(t, func(t *testing.T, o *outpost) {
				o.accept(t)
				<-time.After(tt.before)
				o.way.gone.Store(true)
				o.accept(t)
				<-time.After(tt.gone)
				o.way.gone.Store(false)
				o.sentInTheEnd(t, tt.letters)
				for _, l := range o.provider.letters {
					if len(l.Attachments[0].Content) != 1<<20 || l.MessageID != l.ID+"@example.com" {
						t.Errorf("%s, %s with %d bytes", l.ID, l.MessageID, len(l.Attachments[0].Content))
					}
				}
			})
		})
	}
}

// outpost is a gateway whose way to the store can be cut off, beside another that reaches
// it all the time.
type outpost struct {
	*emails.Service
	other        *emails.Service // the gateway beside it
	store, local *memjournal.Journal
	way          *way
	held         *spool.Spool
	provider     *reader
	restored     atomic.Pointer[time.Time] // when an older copy of the store was put back; nil if never
}

// open opens the spool of the gateway.
func (o *outpost) open(t *testing.T) *spool.Spool {
	t.Helper()
	held, err := spool.Open(t.Context(), spool.Options{
		Store: o.way, Local: o.local, Clock: clock.System{}, Owner: "one", Log: slog.New(slog.DiscardHandler),
		Kinds: map[string]spool.Kind{
			emails.Kind:       {Same: names.SameRequest, Others: names.OtherIDs, Anew: names.NewID, Release: emails.Release},
			emails.BatchKind:  {Same: names.SameBatch, Anew: names.NewBatchID},
			emails.ExpiryKind: {Same: emails.SameExpiry},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// lastRestore returns when an older copy of the store was put back last.
func (o *outpost) lastRestore() (at time.Time, known bool) {
	if last := o.restored.Load(); last != nil {
		at = *last
	}
	return at, true
}

// names are those of the installation.
var names = emails.Names{Secret: []byte("of the installation")}

func cutOff(t *testing.T, test func(t *testing.T, o *outpost)) {
	t.Helper()
	cutOffWithin(t, nil, test)
}

// cutOffWithin is cutOff with a provider that has a rate.
func cutOffWithin(t *testing.T, rates map[string]emails.Rate, test func(t *testing.T, o *outpost)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &outpost{store: memjournal.New(clock.System{}), local: memjournal.New(clock.System{})}
		o.way = &way{Journal: o.store}
		quiet := slog.New(slog.DiscardHandler)
		o.held = o.open(t)
		o.provider = &reader{mailer: mailer{name: "first", sent: map[string]int{}, features: email.Features{Attachments: true}}}
		gateway := func(owner string, j ports.Journal) *emails.Service {
			return emails.New(emails.Options{
				Journal: j, Mailers: []ports.Mailer{o.provider}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{}, Names: names, Rates: rates,
				Templates: sources{"welcome": welcome}, Renderer: handlebars.New(template.MissingIsError),
				From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: owner, Log: quiet,
				Restored: o.lastRestore,
			})
		}
		o.Service = gateway("one", o.held)
		o.other = gateway("two", o.store)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		running.Go(func() { o.other.Run(ctx) })
		running.Go(func() { o.held.Run(ctx) })
		test(t, o)
		stop()
		running.Wait()
	})
}

func (o *outpost) accept(t *testing.T) email.Message {
	t.Helper()
	m, _, err := o.Accept(t.Context(), tenant, laden(1<<20), key("k"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sentInTheEnd waits until nothing is under way any more.
func (o *outpost) sentInTheEnd(t *testing.T, want int) {
	t.Helper()
	<-time.After(time.Hour)
	o.provider.mu.Lock()
	defer o.provider.mu.Unlock()
	if st := o.held.Status(); len(o.provider.letters) != want || st.Held+st.Refused != 0 {
		t.Errorf("%d went out, want %d; the spool has %+v", len(o.provider.letters), want, st)
	}
}

// The key of a message has expired, and two requests use it again at once.
func TestTwoRequestsUnderAnExpiredKeyMakeOneMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clock.System{}
		store := memjournal.New(c)
		s := emails.New(emails.Options{
			Journal: store, Mailers: []ports.Mailer{&mailer{name: "first", sent: map[string]int{}}}, Text: htmltext.Text{}, Clock: c, IDs: ids.UUIDs{},
			Names: emails.Names{Secret: []byte("s")}, From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one",
			Log: slog.New(slog.DiscardHandler),
		})
		store.Fail = func(op string) error {
			if op == memjournal.Save {
				<-time.After(10 * time.Millisecond) // both have seen then that the key has expired
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, both sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer running.Wait()
		defer stop()
		old := mustAccept(t, s, draft(), key("k"))
		<-time.After(idempotency.Kept + 26*time.Hour)
		made := make(chan string, 2)
		for range 2 {
			both.Go(func() {
				m, _, err := s.Accept(t.Context(), tenant, draft(), key("k"))
				if err != nil {
					t.Errorf("error = %v, want none", err)
				}
				made <- m.ID
			})
		}
		both.Wait()
		if one, other := <-made, <-made; one != other || one == old.ID {
			t.Errorf("messages %s and %s, want one, and not %s, which the key was of before", one, other, old.ID)
		}
	})
}
