package webhooks_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/ids"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/tests/memjournal"
)

// accounts reads the body "account:id" as an event of an account.
type accounts struct{}

func (accounts) CheckHeaders(func(string) string) error { return nil }

func (accounts) Verify(_ context.Context, body []byte, _ func(string) string) ([]webhook.Event, error) {
	account, id, _ := strings.Cut(string(body), ":")
	return []webhook.Event{{Provider: account, ID: id, Object: []byte(`{}`)}}, nil
}

// accountEvents is a webhooks.Service whose events of the account "hanging" take all the time that
// they are given.
type accountEvents struct {
	*webhooks.Service
	journal *memjournal.Journal
	start   time.Time
	stop    func()

	mu   sync.Mutex
	done map[string]time.Duration
	fail error // of those that do not hang
}

func withAccountEvents(t *testing.T, test func(t *testing.T, d *accountEvents)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &accountEvents{journal: memjournal.New(clock.System{}), start: time.Now(), done: map[string]time.Duration{}}
		d.open(t, "hanging", "healthy")
		test(t, d)
		d.stop()
	})
}

func (d *accountEvents) open(t *testing.T, names ...string) {
	t.Helper()
	s := webhooks.New(webhooks.Options{
		Journal: d.journal, Accounts: names, Clock: clock.System{}, Owner: ids.UUIDs{}.New("own"), Log: slog.New(slog.DiscardHandler),
		Routes: map[string]webhooks.Route{"acme": {Verifier: accounts{}, Apply: d.apply}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	synctest.Wait()
	d.Service, d.stop = s, func() { cancel(); <-ended }
}

func (d *accountEvents) apply(ctx context.Context, e webhook.Event) (webhook.Applied, error) {
	if e.Provider == "hanging" {
		<-ctx.Done()
		return webhook.Applied{}, fault.Wrap(fault.Unavailable, "scripted", ctx.Err())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail == nil {
		d.done[e.ID] = time.Since(d.start)
	}
	return webhook.Applied{}, d.fail
}

func (d *accountEvents) receive(t *testing.T, event string) {
	t.Helper()
	if err := deliver(t.Context(), d.Service, "acme", []byte(event), signed); err != nil {
		t.Fatal(err)
	}
}

func (d *accountEvents) failWith(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func (d *accountEvents) wantApplied(t *testing.T, id string, by time.Duration) {
	t.Helper()
	<-time.After(by - time.Since(d.start))
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, done := d.done[id]; !done || at > by {
		t.Errorf("%s: applied %v, at %s; want it by %s", id, done, at, by)
	}
}

func TestEventsOfAnAccountWaitForNoOthers(t *testing.T) {
	t.Run("that come", func(t *testing.T) {
		withAccountEvents(t, func(t *testing.T, d *accountEvents) {
			for i := range 200 {
				d.receive(t, fmt.Sprint("hanging:", i))
			}
			synctest.Wait()
			d.receive(t, "healthy:evt")
			d.wantApplied(t, "evt", time.Millisecond)
		})
	})
	t.Run("that are tried again", func(t *testing.T) {
		withAccountEvents(t, func(t *testing.T, d *accountEvents) {
			d.failWith(fault.New(fault.NotFound, "no_such_record", ""))
			d.receive(t, "healthy:evt")
			synctest.Wait()
			d.failWith(nil)
			for i := range 200 {
				d.receive(t, fmt.Sprint("hanging:", i))
			}
			d.wantApplied(t, "evt", 2*time.Second)
		})
	})
}

func TestEventsAreAppliedThoughTheirQueueIsNotTheOneTheyWouldHaveNow(t *testing.T) {
	notYet := fault.New(fault.NotFound, "no_such_record", "")
	t.Run("of the previous version, which had one for all", func(t *testing.T) {
		withAccountEvents(t, func(t *testing.T, d *accountEvents) {
			d.failWith(notYet)
			d.receive(t, "healthy:evt")
			synctest.Wait()
			d.failWith(nil)
			r, err := d.journal.Get(t.Context(), "acme", webhooks.Kind, "healthy:evt")
			if r.Queue != "webhooks:healthy" || err != nil {
				t.Fatalf("it waits in %q, %v, want queue webhooks:healthy", r.Queue, err)
			}
			r.Queue = "webhooks"
			if err := d.journal.Save(t.Context(), &r)[0]; err != nil {
				t.Fatal(err)
			}
			d.wantApplied(t, "evt", 2*time.Second)
		})
	})
	t.Run("the account is not configured any more", func(t *testing.T) {
		withAccountEvents(t, func(t *testing.T, d *accountEvents) {
			d.failWith(notYet)
			d.receive(t, "healthy:evt")
			synctest.Wait()
			d.failWith(nil)
			d.stop()
			d.open(t, "another")
			d.wantApplied(t, "evt", 2*time.Second)
		})
	})
}
