package webhooks_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/logging"
	"patchbay/core/webhook"
	"patchbay/core/webhooks"
	"patchbay/tests/memjournal"
)

// verifier reads a body of the form "id" or "id id": each word is an event.
type verifier struct{}

func (verifier) CheckHeaders(header func(string) string) error {
	if header("Signature") == "old" {
		return fault.New(fault.Invalid, "invalid_signature", "too old")
	}
	return nil
}

func (verifier) Verify(_ context.Context, body []byte, header func(string) string) ([]webhook.Event, error) {
	if header("Signature") != "right" {
		return nil, fault.New(fault.Invalid, "invalid_signature", "")
	}
	var events []webhook.Event
	for _, id := range strings.Fields(string(body)) {
		events = append(events, webhook.Event{Provider: "acme", ID: id, Object: []byte(`{}`)})
	}
	return events, nil
}

func signed(string) string   { return "right" }
func unsigned(string) string { return "" }

// effects counts how often each event was applied, and fails on demand.
type effects struct {
	mu    sync.Mutex
	tries map[string]int
	done  map[string]int
	// erased has the events of the payment that was erased; news are the events that each adds to
	// the feed.
	erased map[string]bool
	news   map[string][]event.Event
	fail   func(id string, try int) error
}

func (e *effects) apply(_ context.Context, w webhook.Event) (webhook.Applied, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tries[w.ID]++
	if e.fail != nil {
		if err := e.fail(w.ID, e.tries[w.ID]); err != nil {
			return webhook.Applied{Erased: e.erased[w.ID]}, err
		}
	}
	e.done[w.ID]++
	return webhook.Applied{Erased: e.erased[w.ID], Events: e.news[w.ID]}, nil
}

func (e *effects) count(id string) (tries, done int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tries[id], e.done[id]
}

// deliver passes a webhook on as the HTTP server does: the body is read last.
func deliver(ctx context.Context, s *webhooks.Service, route string, body []byte, header func(string) string) error {
	d, err := s.Open(route, header)
	if err != nil {
		return err
	}
	return d.Receive(ctx, body)
}

type rig struct {
	*webhooks.Service
	*effects
	log *bytes.Buffer
}

// within runs a test on virtual time with the worker running. The journal calls journalFail before
// each operation.
func within(t *testing.T, fail func(id string, try int) error, journalFail func(op string) error, test func(t *testing.T, r rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := memjournal.New(clock.System{})
		var open atomic.Bool // what it saves for itself at its start is not counted
		journal.Fail = func(op string) error {
			if journalFail == nil || !open.Load() {
				return nil
			}
			return journalFail(op)
		}
		e := &effects{tries: map[string]int{}, done: map[string]int{}, fail: fail}
		log := new(bytes.Buffer)
		s := webhooks.New(webhooks.Options{
			Journal: journal, Clock: clock.System{}, Owner: "one", Log: logging.New(slog.NewTextHandler(log, nil)).Logger, Accounts: []string{"acme"},
			Routes: map[string]webhooks.Route{
				"acme": {Verifier: verifier{}, Apply: e.apply}, "closed": {Verifier: verifier{}, Apply: e.apply, Closed: true},
				"keyless": {Verifier: verifier{}, Apply: e.apply, Keyless: []string{"acme-eu"}}, // acme has keys
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		synctest.Wait()
		open.Store(true)
		test(t, rig{s, e, log})
		stop()
		<-done
	})
}

func TestOneEventManyTimesHasOneEffect(t *testing.T) {
	within(t, nil, nil, func(t *testing.T, r rig) {
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if tries, done := r.count("evt_1"); tries != 1 || done != 1 {
			t.Fatalf("applied %d times in %d tries, want tries 1, done 1", done, tries)
		}
	})
}

func TestWhatIsNotSignedIsNotStored(t *testing.T) {
	within(t, nil, nil, func(t *testing.T, r rig) {
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), unsigned); !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
		for _, route := range []string{"nobody", "closed"} {
			if err := deliver(t.Context(), r.Service, route, []byte("evt_1"), signed); !fault.Is(err, fault.NotFound) {
				t.Fatalf("%s: %v, want not_found", route, err)
			}
		}
		synctest.Wait()
		if tries, _ := r.count("evt_1"); tries != 0 {
			t.Fatal("an event without a valid signature was applied, want none")
		}
	})
}

func TestHeadersAreCheckedBeforeTheBodyIsRead(t *testing.T) {
	within(t, nil, nil, func(t *testing.T, r rig) {
		if _, err := r.Open("acme", func(string) string { return "old" }); fault.From(err).Code != "invalid_signature" {
			t.Errorf("with an old signature: got %v, want invalid_signature", err)
		}
		for _, route := range []string{"nobody", "closed"} {
			if _, err := r.Open(route, signed); fault.From(err).Code != "no_such_route" {
				t.Errorf("on the route %q: got %v, want no_such_route", route, err)
			}
		}
		if _, err := r.Open("acme", signed); err != nil {
			t.Errorf("with a fresh signature: %v", err)
		}
	})
}

// A provider gives up what is refused, and sends again what could not be taken.
func TestAWebhookThatMayBeOfAProviderWithoutKeysIsToBeSentAgain(t *testing.T) {
	within(t, nil, nil, func(t *testing.T, r rig) {
		old := func(string) string { return "old" }
		for name, header := range map[string]func(string) string{"no key fits": unsigned, "its headers are refused": old} {
			err := deliver(t.Context(), r.Service, "keyless", []byte("evt_1"), header)
			if f := fault.From(err); f.Kind != fault.Unavailable || f.Code != webhooks.CodeNoKeys || f.RetryAfter != time.Minute || !strings.Contains(err.Error(), "acme-eu") {
				t.Errorf("%s: got %v, want unavailable, code %s, and the provider without keys", name, err, webhooks.CodeNoKeys)
			}
			if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), header); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s, of a route whose providers have keys: got %v, want invalid", name, err)
			}
		}
		if err := deliver(t.Context(), r.Service, "keyless", []byte("evt_1"), signed); err != nil {
			t.Errorf("of the provider that has keys: %v", err)
		}
	})
}

func TestAnEventBeforeItsPaymentIsTriedAgain(t *testing.T) {
	early := func(_ string, try int) error {
		if try < 4 {
			return fault.New(fault.NotFound, "no_such_record", "")
		}
		return nil
	}
	within(t, early, nil, func(t *testing.T, r rig) {
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if tries, done := r.count("evt_1"); tries != 4 || done != 1 {
			t.Fatalf("applied %d times in %d tries, want tries 4, done 1", done, tries)
		}
	})
}

func TestAnEventThatAlwaysFailsIsGivenUpAndTheQueueMoves(t *testing.T) {
	poison := func(id string, _ int) error {
		switch id {
		case "evt_unreadable":
			return fault.New(fault.Invalid, "invalid_payload", "")
		case "evt_homeless":
			return fault.New(fault.NotFound, "no_such_record", "")
		}
		return nil
	}
	within(t, poison, nil, func(t *testing.T, r rig) {
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_unreadable evt_homeless evt_good"), signed); err != nil {
			t.Fatal(err)
		}
		<-time.After(4 * 24 * time.Hour)
		for id, want := range map[string][2]int{"evt_unreadable": {1, 0}, "evt_homeless": {9, 0}, "evt_good": {1, 1}} {
			if tries, done := r.count(id); tries != want[0] || done != want[1] {
				t.Errorf("%s: applied %d times in %d tries, want %v", id, done, tries, want)
			}
		}
	})
}

func TestAStoreThatFailsAsksTheProviderToSendAgain(t *testing.T) {
	var saves atomic.Int64
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) == 1 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	within(t, nil, fail, func(t *testing.T, r rig) {
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, done := r.count("evt_1"); done != 1 {
			t.Fatalf("applied %d times, want 1", done)
		}
	})
}

// After a crash between the effect and its note the event is applied again; the effect must
// tolerate that.
func TestACrashBeforeTheNoteAppliesAgain(t *testing.T) {
	var saves atomic.Int64
	fail := func(op string) error {
		if op == memjournal.Save && saves.Add(1) == 2 {
			return fault.New(fault.Unavailable, "scripted", "")
		}
		return nil
	}
	within(t, nil, fail, func(t *testing.T, r rig) {
		if err := deliver(t.Context(), r.Service, "acme", []byte("evt_1"), signed); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Minute)
		if _, done := r.count("evt_1"); done != 2 {
			t.Fatalf("applied %d times, want again after the lease", done)
		}
	})
}
