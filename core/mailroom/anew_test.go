package mailroom_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/render"
	"patchbay/adapters/sys"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/mailroom"
	"patchbay/core/message"
	"patchbay/core/spool"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// way is the way of one gateway to a store that others reach all the time.
type way struct {
	ports.Journal
	gone atomic.Bool
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
	return w.Journal.Save(ctx, records...)
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
		{"a repeat, that is moved when the key is given up", idem.Kept - time.Hour, 3 * time.Hour, 1},
		{"a new message under a key that was given up", idem.Kept + time.Hour, time.Hour, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memjournal.New(sys.Clock{})
				way := &way{Journal: store}
				quiet := slog.New(slog.DiscardHandler)
				held, err := spool.Open(t.Context(), spool.Options{
					Store: way, Local: memjournal.New(sys.Clock{}), Clock: sys.Clock{}, Owner: "one", Log: quiet,
					Same: map[string]func(a, b ports.Record) bool{mailroom.Kind: mailroom.Same},
					Anew: map[string]func(a, b ports.Record, parts []*ports.Record) (ports.Record, bool){mailroom.Kind: mailroom.Anew},
				})
				if err != nil {
					t.Fatal(err)
				}
				provider := &reader{mailer: mailer{name: "first", sent: map[string]int{}, features: message.Features{Attachments: true}}}
				gateway := func(owner string, j ports.Journal) *mailroom.Service {
					return mailroom.New(mailroom.Options{
						Journal: j, Mailers: []ports.Mailer{provider}, Text: render.Text{}, Clock: sys.Clock{}, IDs: sys.IDs{},
						From: message.Address{Email: "shop@example.com"}, Promise: message.AtLeastOnce, Owner: owner, Log: quiet,
					})
				}
				room, other := gateway("one", held), gateway("two", store)
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { room.Run(ctx) })
				running.Go(func() { other.Run(ctx) })
				running.Go(func() { held.Run(ctx) })
				accept := func() {
					t.Helper()
					if _, _, err := room.Accept(t.Context(), tenant, laden(1<<20), key("k")); err != nil {
						t.Fatal(err)
					}
				}
				accept()
				<-time.After(tt.before)
				way.gone.Store(true)
				accept()
				<-time.After(tt.gone)
				way.gone.Store(false)
				<-time.After(time.Hour)
				stop()
				running.Wait()
				if st := held.Status(); len(provider.letters) != tt.letters || st.Held+st.Refused != 0 {
					t.Errorf("%d went out, want %d; the spool has %+v", len(provider.letters), tt.letters, st)
				}
				for _, l := range provider.letters {
					if len(l.Attachments[0].Content) != 1<<20 || l.MessageID != l.ID+"@example.com" {
						t.Errorf("%s, %s with %d bytes", l.ID, l.MessageID, len(l.Attachments[0].Content))
					}
				}
			})
		})
	}
}
