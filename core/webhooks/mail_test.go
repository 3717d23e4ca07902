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

// tokens takes "id/token id/token" as a body.
type tokens struct{}

func (tokens) CheckHeaders(func(string) string) error { return nil }

func (tokens) Verify(_ context.Context, body []byte, _ func(string) string) (events []webhook.Event, err error) {
	for _, word := range strings.Fields(string(body)) {
		id, token, _ := strings.Cut(word, "/")
		events = append(events, webhook.Event{Provider: "acme", ID: id, Token: token, Object: []byte(`{}`)})
	}
	return events, nil
}

// letterbox is a webhooks.Service with events whose objects may be somebody else's.
type letterbox struct {
	*webhooks.Service
	*effects
	journal *memjournal.Journal
	ignored []string
}

func atLetterbox(t *testing.T, fail func(id string, try int) error, journalFail func(op string) error, test func(t *testing.T, b *letterbox)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &letterbox{
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

func (b *letterbox) deliver(t *testing.T, body string) {
	t.Helper()
	if err := deliver(t.Context(), b.Service, "acme", []byte(body), signed); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// What nothing here fits is another installation's, and soon let go of. What may have come
// before its message is not.
func TestAnEventThatIsNotOursIsIgnored(t *testing.T) {
	homeless := func(id string, try int) error {
		if id == "evt_foreign" || id == "evt_early" && try < 3 {
			return fault.New(fault.NotFound, "no_such_record", "")
		}
		return nil
	}
	atLetterbox(t, homeless, nil, func(t *testing.T, b *letterbox) {
		b.deliver(t, "evt_foreign evt_early")
		<-time.After(5 * time.Minute)
		if len(b.ignored) != 1 || b.ignored[0] != "evt_foreign" {
			t.Fatalf("%q", b.ignored)
		}
		tries, _ := b.count("evt_foreign")
		<-time.After(4 * 24 * time.Hour)
		if again, _ := b.count("evt_foreign"); again != tries || tries < 3 {
			t.Errorf("%d tries, then %d", tries, again)
		}
		if _, done := b.count("evt_early"); done != 1 {
			t.Errorf("the early one was applied %d times", done)
		}
	})
}

// A store that is away is no reason to let go of anything.
func TestAnEventOfASenderIsTriedAgainWhileTheStoreIsAway(t *testing.T) {
	away := func(_ string, try int) error {
		if try < 6 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	atLetterbox(t, away, nil, func(t *testing.T, b *letterbox) {
		b.deliver(t, "evt_1")
		<-time.After(24 * time.Hour)
		if _, done := b.count("evt_1"); done != 1 || len(b.ignored) != 0 {
			t.Errorf("applied %d times, ignored %q", done, b.ignored)
		}
	})
}

// Who has seen a delivery can sign nothing else with what it was signed with.
func TestATokenIsTakenOnce(t *testing.T) {
	for name, second := range map[string]string{
		"the same event again":           "evt_1/token",
		"another event under its token":  "evt_2/token",
		"the same event, anew signed":    "evt_1/fresh",
		"another event in one with them": "evt_1/token evt_2/token",
	} {
		t.Run(name, func(t *testing.T) {
			atLetterbox(t, nil, nil, func(t *testing.T, b *letterbox) {
				b.deliver(t, "evt_1/token")
				b.deliver(t, second)
				<-time.After(time.Hour)
				_, first := b.count("evt_1")
				if _, other := b.count("evt_2"); first != 1 || other != 0 {
					t.Errorf("applied %d and %d times", first, other)
				}
			})
		})
	}
}

// One of a batch cannot be stored: the others are, and all come again.
func TestABatchIsStoredOneByOne(t *testing.T) {
	failed := false
	fail := func(op string) error {
		if op == memjournal.Save && !failed {
			failed = true
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	atLetterbox(t, nil, fail, func(t *testing.T, b *letterbox) {
		const body = "evt_1 evt_2 evt_3"
		if err := deliver(t.Context(), b.Service, "acme", []byte(body), signed); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("%v", err)
		}
		b.deliver(t, body)
		<-time.After(time.Hour)
		for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
			if tries, done := b.count(id); tries != 1 || done != 1 {
				t.Errorf("%s: applied %d times in %d tries", id, done, tries)
			}
		}
	})
}

// The note that an event is applied is lost, and it is applied again: the feed has its
// news once, with the note.
func TestNewsIsTheFeedsWithTheNote(t *testing.T) {
	var saves atomic.Int64
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) == 2 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	atLetterbox(t, nil, fail, func(t *testing.T, b *letterbox) {
		b.news["evt_1"] = []event.Event{{ID: "fev_1", Tenant: "shop", Type: "message.opened", Subject: "msg_1", At: time.Now(), Data: json.RawMessage(`{}`)}}
		b.deliver(t, "evt_1")
		<-time.After(10 * time.Minute)
		if _, err := b.journal.Publish(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		events, err := b.journal.Feed(t.Context(), ports.AllTenants, 0, 100)
		if _, done := b.count("evt_1"); err != nil || done != 2 || len(events) != 1 || events[0].Tenant != "shop" {
			t.Errorf("applied %d times, %+v, %v", done, events, err)
		}
	})
}
