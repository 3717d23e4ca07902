package mailroom_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/render"
	"patchbay/adapters/sys"
	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/mailroom"
	"patchbay/core/message"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// telling reads events whose object is the news itself.
type telling struct{}

func (telling) News(e event.Webhook) (n message.News, ok bool, err error) {
	if err := json.Unmarshal(e.Object, &n); err != nil {
		return n, false, fault.New(fault.Invalid, "invalid_payload", "")
	}
	return n, n.Event != "", nil
}

// office is a mailroom of three providers that hears what they tell.
type office struct {
	*mailroom.Service
	first, second *mailer
	journal       *memjournal.Journal
	mu            sync.Mutex
	counted       []string
}

func inOffice(t *testing.T, first, second func(int) error, fail func(op string) error, test func(t *testing.T, o *office)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &office{
			first:   &mailer{name: "first", fail: first, sent: map[string]int{}},
			second:  &mailer{name: "second", fail: second, sent: map[string]int{}},
			journal: memjournal.New(sys.Clock{}),
		}
		var open atomic.Bool
		o.journal.Fail = func(op string) error {
			if fail == nil || !open.Load() {
				return nil
			}
			return fail(op)
		}
		o.Service = mailroom.New(mailroom.Options{
			Journal: o.journal, Mailers: []ports.Mailer{o.first, o.second}, Text: render.Text{}, Clock: sys.Clock{}, IDs: sys.IDs{},
			From: message.Address{Email: "shop@example.com"}, Promise: message.AtMostOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
			Events:  map[string]ports.MailReader{"first": telling{}, "second": telling{}, "idle": telling{}},
			Mailbox: rfc5322.ASCII, Unmarked: tenant, Told: o.count,
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.Run(ctx) }()
		synctest.Wait()
		open.Store(true)
		test(t, o)
		stop()
		<-done
	})
}

func (o *office) count(provider, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counted = append(o.counted, provider+" "+what)
}

// accept takes a message, and waits until it has come to rest.
func (o *office) accept(t *testing.T, delivery message.Delivery, to ...string) message.Message {
	t.Helper()
	d := draft()
	d.Delivery = delivery
	for _, email := range to {
		d.Cc = append(d.Cc, message.Address{Email: email})
	}
	m, _, err := o.Accept(t.Context(), tenant, d, idem.Key{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return o.get(t, m.ID)
}

func (o *office) get(t *testing.T, id string) message.Message {
	t.Helper()
	m, err := o.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// news is what a provider tells of an attempt at a message, and Ada.
func news(m message.Message, attempt int, e message.Event) message.News {
	return message.News{
		Event: e, Tenant: m.Tenant, Message: m.ID, Attempt: m.Attempts[attempt].ID, Reference: "told",
		Recipient: "ada@example.com", At: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (o *office) apply(t *testing.T, provider string, n message.News) (event.Applied, error) {
	t.Helper()
	object, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return o.ApplyWebhook(t.Context(), event.Webhook{Provider: provider, ID: "1", Object: object})
}

func (o *office) hear(t *testing.T, provider string, n message.News) event.Applied {
	t.Helper()
	a, err := o.apply(t, provider, n)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// told are the types of the feed's events of a message.
func (o *office) told(t *testing.T, id string) (types []string) {
	t.Helper()
	if _, err := o.journal.Publish(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	events, err := o.journal.Feed(t.Context(), tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Subject == id {
			types = append(types, strings.TrimPrefix(e.Type, "message."))
		}
	}
	return types
}

// A provider that never answered tells by an event that it has taken the mail: whatever
// it tells proves that.
func TestAnEventResolvesWhatWasUnknown(t *testing.T) {
	for _, c := range []struct {
		event           message.Event
		status          message.Status
		recipient, feed string
	}{
		{message.EventProcessed, message.Sent, "sent", "unknown sent"},
		{message.EventSent, message.Sent, "sent", "unknown sent"},
		{message.EventDeferred, message.Sent, "deferred", "unknown sent deferred"},
		{message.EventDelivered, message.Delivered, "delivered", "unknown sent delivered"},
		{message.EventBounced, message.Sent, "bounced", "unknown sent bounced"},
		{message.EventRejected, message.Sent, "rejected", "unknown sent rejected"},
		{message.EventComplained, message.Delivered, "complained", "unknown sent complained"},
		{message.EventOpened, message.Sent, "sent", "unknown sent"},
		{message.EventClicked, message.Sent, "sent", "unknown sent"},
		{message.EventUnsubscribed, message.Sent, "sent", "unknown sent"},
	} {
		t.Run(string(c.event), func(t *testing.T) {
			inOffice(t, always(fault.UnknownOutcome), nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, message.AtMostOnce)
				if m.Status != message.Unknown {
					t.Fatalf("%s", m.Status)
				}
				<-time.After(24 * time.Hour)
				for range 3 {
					o.hear(t, "first", news(m, 0, c.event))
				}
				<-time.After(24 * time.Hour)
				m = o.get(t, m.ID)
				if m.Status != c.status || outcomes(m) != "first:accepted " || string(m.Recipients[0].Status) != c.recipient || m.Attempts[0].Reference != "told" {
					t.Errorf("%s after %s, %+v", m.Status, outcomes(m), m.Recipients)
				}
				if got := strings.Join(o.told(t, m.ID), " "); got != "queued sending "+c.feed {
					t.Errorf("the feed has %q", got)
				}
				if n := o.first.tried() + o.second.tried(); n != 1 {
					t.Errorf("%d tries", n)
				}
			})
		})
	}
}

// Nothing but an event of its own account and attempt concludes anything.
func TestWhatAnEventDoesNotConclude(t *testing.T) {
	for _, c := range []struct {
		name, provider string
		change         func(n *message.News)
		counted        string
	}{
		{"by an account that was not asked", "second", func(*message.News) {}, "second ignored_other_account"},
		{"by an account that sends nothing", "idle", func(n *message.News) { n.Attempt = "" }, "idle ignored_other_account"},
		{"of an attempt that is not there", "first", func(n *message.News) { n.Attempt = "att_other" }, "first ignored_other_account"},
		{"of mail that came to the provider by another way", "first", func(n *message.News) { n.Message = "" }, "first ignored_not_ours"},
		{"of a kind that is new", "first", func(n *message.News) { n.Event = "" }, "first ignored_unknown_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOffice(t, always(fault.UnknownOutcome), nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, message.AtMostOnce)
				n := news(m, 0, message.EventDelivered)
				c.change(&n)
				o.hear(t, c.provider, n)
				if got := o.get(t, m.ID); got.Status != message.Unknown || got.Recipients[0].Status != message.Unknown || !got.UpdatedAt.Equal(m.UpdatedAt) {
					t.Errorf("%s, %+v", got.Status, got.Recipients)
				}
				if !slices.Equal(o.counted, []string{c.counted}) {
					t.Errorf("counted: %q", o.counted)
				}
			})
		})
	}
}

func TestAnEventOfAMessageThatIsNotHere(t *testing.T) {
	inOffice(t, nil, nil, nil, func(t *testing.T, o *office) {
		m := o.accept(t, message.AtMostOnce)
		for name, change := range map[string]func(n *message.News){
			"another id":     func(n *message.News) { n.Message = "msg_other" },
			"another tenant": func(n *message.News) { n.Tenant = "other" },
		} {
			n := news(m, 0, message.EventBounced)
			change(&n)
			if _, err := o.apply(t, "first", n); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.IgnoreWebhook(event.Webhook{Provider: "first"})
		if !slices.Equal(o.counted, []string{"first ignored_not_ours"}) {
			t.Errorf("%q", o.counted)
		}
		if _, err := o.ApplyWebhook(t.Context(), event.Webhook{Provider: "first", Object: []byte(`"x"`)}); !fault.Is(err, fault.Invalid) {
			t.Errorf("what cannot be read: %v", err)
		}
		if _, err := o.ApplyWebhook(t.Context(), event.Webhook{Provider: "gone", Object: []byte(`{}`)}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("of a provider that is not configured: %v", err)
		}
	})
}

// A message that waits for its next try, since nobody knew, does not go out again.
func TestAnEventEndsWhatWouldBeSentAgain(t *testing.T) {
	inOffice(t, once(fault.UnknownOutcome), once(fault.Unavailable), nil, func(t *testing.T, o *office) {
		m := o.accept(t, message.AtLeastOnce)
		if m.Status != message.Queued || outcomes(m) != "first:ambiguous second:not_accepted " {
			t.Fatalf("%s after %s", m.Status, outcomes(m))
		}
		o.hear(t, "first", news(m, 0, message.EventProcessed))
		<-time.After(time.Hour)
		if m = o.get(t, m.ID); m.Status != message.Sent || outcomes(m) != "first:accepted second:not_accepted " || o.first.copies(m.ID) != 1 {
			t.Errorf("%s after %s, %d copies", m.Status, outcomes(m), o.first.copies(m.ID))
		}
	})
}

// The event is here before the answer: it is the acceptance, and the answer no news.
func TestAnEventDuringItsAttempt(t *testing.T) {
	for name, err := range map[string]error{"then accepted": nil, "then unknown": fault.New(fault.UnknownOutcome, "reset", ""), "then refused": errDown} {
		t.Run(name, func(t *testing.T) {
			var gate chan struct{} // made in the bubble
			answer := func(int) error { <-gate; return err }
			inOffice(t, answer, nil, nil, func(t *testing.T, o *office) {
				gate = make(chan struct{})
				m := o.accept(t, message.AtLeastOnce)
				if m.Status != message.Sending {
					t.Fatalf("%s", m.Status)
				}
				o.hear(t, "first", news(m, 0, message.EventDelivered))
				close(gate)
				<-time.After(time.Hour)
				m = o.get(t, m.ID)
				if m.Status != message.Delivered || outcomes(m) != "first:accepted " || o.second.tried() != 0 {
					t.Errorf("%s after %s, %d tries at the second", m.Status, outcomes(m), o.second.tried())
				}
			})
		})
	}
}
