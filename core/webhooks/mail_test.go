package webhooks_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// tokens reads a body of the form "id/token id/token".
type tokens struct{}

func (tokens) CheckHeaders(func(string) string) error { return nil }

func (tokens) Verify(_ context.Context, body []byte, _ func(string) string) (events []webhook.Event, err error) {
	for _, word := range strings.Fields(string(body)) {
		id, token, _ := strings.Cut(word, "/")
		events = append(events, webhook.Event{Provider: "acme", ID: id, Token: token, Object: []byte(`{}`)})
	}
	return events, nil
}

// mailEvents is a webhooks.Service with events of messages that may belong to another
// installation.
type mailEvents struct {
	*webhooks.Service
	*effects
	journal *memjournal.Journal
	ignored []string
}

func withMailEvents(t *testing.T, fail func(id string, try int) error, journalFail func(op string) error, test func(t *testing.T, b *mailEvents)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &mailEvents{
			journal: memjournal.New(clock.System{}),
			effects: &effects{tries: map[string]int{}, done: map[string]int{}, news: map[string][]event.Event{}, fail: fail},
		}
		var open atomic.Bool
		b.journal.Fail = func(op string) error {
			if journalFail == nil || !open.Load() {
				return nil
			}
			return journalFail(op)
		}
		b.Service = webhooks.New(webhooks.Options{
			Journal: b.journal, Clock: clock.System{}, Owner: "one", Log: slog.New(slog.DiscardHandler), Accounts: []string{"acme"},
			Routes: map[string]webhooks.Route{"acme": {
				Verifier: tokens{}, Apply: b.apply, Patience: 5 * time.Minute,
				Ignored: func(e webhook.Event) { b.ignored = append(b.ignored, e.ID) },
			}},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		synctest.Wait()
		open.Store(true)
		test(t, b)
		stop()
		<-done
	})
}

func (b *mailEvents) deliver(t *testing.T, body string) {
	t.Helper()
	if err := deliver(t.Context(), b.Service, "acme", []byte(body), signed); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// An event that matches no message here belongs to another installation and is soon given up. One
// that may have arrived before its message is not.
func TestAnEventThatIsNotOursIsIgnored(t *testing.T) {
	ofAnotherInstallation := func(id string, try int) error {
		if id == "evt_foreign" || id == "evt_early" && try < 3 {
			return fault.New(fault.NotFound, "no_such_record", "")
		}
		return nil
	}
	withMailEvents(t, ofAnotherInstallation, nil, func(t *testing.T, b *mailEvents) {
		b.deliver(t, "evt_foreign evt_early")
		<-time.After(5 * time.Minute)
		if len(b.ignored) != 1 || b.ignored[0] != "evt_foreign" {
			t.Fatalf("got %q, want only evt_foreign", b.ignored)
		}
		tries, _ := b.count("evt_foreign")
		<-time.After(4 * 24 * time.Hour)
		if again, _ := b.count("evt_foreign"); again != tries || tries < 3 {
			t.Errorf("%d tries, then %d, want tries at least 3", tries, again)
		}
		if _, done := b.count("evt_early"); done != 1 {
			t.Errorf("the early one was applied %d times, want 1", done)
		}
	})
}

// While the store is unavailable, no event is given up.
func TestAnEventOfASenderIsTriedAgainWhileTheStoreIsAway(t *testing.T) {
	unavailable := func(_ string, try int) error {
		if try < 6 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	withMailEvents(t, unavailable, nil, func(t *testing.T, b *mailEvents) {
		b.deliver(t, "evt_1")
		<-time.After(24 * time.Hour)
		if _, done := b.count("evt_1"); done != 1 || len(b.ignored) != 0 {
			t.Errorf("applied %d times, ignored %q, want done 1, no ignored", done, b.ignored)
		}
	})
}

// Whoever has seen a delivery cannot sign anything else with its token.
func TestATokenIsTakenOnce(t *testing.T) {
	for name, second := range map[string]string{
		"the same event again":           "evt_1/token",
		"another event under its token":  "evt_2/token",
		"the same event, anew signed":    "evt_1/fresh",
		"another event in one with them": "evt_1/token evt_2/token",
	} {
		t.Run(name, func(t *testing.T) {
			withMailEvents(t, nil, nil, func(t *testing.T, b *mailEvents) {
				b.deliver(t, "evt_1/token")
				b.deliver(t, second)
				<-time.After(time.Hour)
				_, first := b.count("evt_1")
				if _, other := b.count("evt_2"); first != 1 || other != 0 {
					t.Errorf("applied %d and %d times, want 1 and 0", first, other)
				}
			})
		})
	}
}

// If one event of a batch cannot be stored, the others are, and the whole batch is sent again.
func TestABatchIsStoredOneByOne(t *testing.T) {
	failed := false
	fail := func(op string) error {
		if op == memjournal.Save && !failed {
			failed = true
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	withMailEvents(t, nil, fail, func(t *testing.T, b *mailEvents) {
		const body = "evt_1 evt_2 evt_3"
		if err := deliver(t.Context(), b.Service, "acme", []byte(body), signed); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("got %v, want kind %v", err, fault.Unavailable)
		}
		b.deliver(t, body)
		<-time.After(time.Hour)
		for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
			if tries, done := b.count(id); tries != 1 || done != 1 {
				t.Errorf("%s: applied %d times in %d tries, want tries 1, done 1", id, done, tries)
			}
		}
	})
}

// If the note that an event was applied is lost, the event is applied again; the feed has its
// event once, with the note.
func TestAnEventIsPublishedOnceThoughItsNoteIsLost(t *testing.T) {
	var saves atomic.Int64
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) == 2 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	withMailEvents(t, nil, fail, func(t *testing.T, b *mailEvents) {
		b.news["evt_1"] = []event.Event{{ID: "fev_1", Tenant: "shop", Type: "message.opened", Subject: "msg_1", At: time.Now(), Data: json.RawMessage(`{}`)}}
		b.deliver(t, "evt_1")
		<-time.After(10 * time.Minute)
		if _, err := b.journal.Publish(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		events, err := b.journal.Feed(t.Context(), ports.AllTenants, 0, 100)
		if _, done := b.count("evt_1"); err != nil || done != 2 || len(events) != 1 || events[0].Tenant != "shop" {
			t.Errorf("applied %d times, %+v, %v, want done 2, 1 event, tenant shop", done, events, err)
		}
	})
}
