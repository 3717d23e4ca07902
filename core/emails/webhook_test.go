package emails_test

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

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/webhook"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// telling reads events whose object is the news itself.
type telling struct{}

func (telling) Notification(e webhook.Event) (n email.Notification, ok bool, err error) {
	if err := json.Unmarshal(e.Object, &n); err != nil {
		return n, false, fault.New(fault.Invalid, "invalid_payload", "")
	}
	return n, n.Event != "", nil
}

// office is an emails.Service of three providers that hears what they tell.
type office struct {
	*emails.Service
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
			journal: memjournal.New(clock.System{}),
		}
		var open atomic.Bool
		o.journal.Fail = func(op string) error {
			if fail == nil || !open.Load() {
				return nil
			}
			return fail(op)
		}
		o.Service = emails.New(emails.Options{
			Journal: o.journal, Mailers: []ports.Mailer{o.first, o.second}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtMostOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
			Events:       map[string]ports.MailReader{"first": telling{}, "second": telling{}, "idle": telling{}},
			ASCIIAddress: rfc5322.ASCII, UnmarkedTenant: tenant, Counted: o.count,
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
func (o *office) accept(t *testing.T, delivery email.Delivery, to ...string) email.Message {
	t.Helper()
	d := draft()
	d.Delivery = delivery
	for _, address := range to {
		d.Cc = append(d.Cc, email.Address{Email: address})
	}
	m, _, err := o.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return o.get(t, m.ID)
}

func (o *office) get(t *testing.T, id string) email.Message {
	t.Helper()
	m, err := o.Get(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// news is what a provider tells of an attempt at a message, and Ada.
func news(m email.Message, attempt int, e email.Event) email.Notification {
	return email.Notification{
		Event: e, Tenant: m.Tenant, Message: m.ID, Attempt: m.Attempts[attempt].ID, Reference: "told",
		Recipient: "ada@example.com", At: time.Unix(1_700_000_000, 0).UTC(),
	}
}

func (o *office) apply(t *testing.T, provider string, n email.Notification) (webhook.Applied, error) {
	t.Helper()
	object, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return o.ApplyWebhook(t.Context(), webhook.Event{Provider: provider, ID: "1", Object: object})
}

func (o *office) hear(t *testing.T, provider string, n email.Notification) webhook.Applied {
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
		event           email.Event
		status          email.Status
		recipient, feed string
	}{
		{email.EventProcessed, email.Sent, "sent", "unknown sent"},
		{email.EventSent, email.Sent, "sent", "unknown sent"},
		{email.EventDeferred, email.Sent, "deferred", "unknown sent deferred"},
		{email.EventDelivered, email.Delivered, "delivered", "unknown sent delivered"},
		{email.EventBounced, email.Sent, "bounced", "unknown sent bounced"},
		{email.EventRejected, email.Sent, "rejected", "unknown sent rejected"},
		{email.EventComplained, email.Delivered, "complained", "unknown sent complained"},
		{email.EventOpened, email.Sent, "sent", "unknown sent"},
		{email.EventClicked, email.Sent, "sent", "unknown sent"},
		{email.EventUnsubscribed, email.Sent, "sent", "unknown sent"},
	} {
		t.Run(string(c.event), func(t *testing.T) {
			inOffice(t, always(fault.UnknownOutcome), nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, email.AtMostOnce)
				if m.Status != email.Unknown {
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
		change         func(n *email.Notification)
		counted        string
	}{
		{"by an account that was not asked", "second", func(*email.Notification) {}, "second ignored_other_account"},
		{"by an account that sends nothing", "idle", func(n *email.Notification) { n.Attempt = "" }, "idle ignored_other_account"},
		{"of an attempt that is not there", "first", func(n *email.Notification) { n.Attempt = "att_other" }, "first ignored_other_account"},
		{"of mail that came to the provider by another way", "first", func(n *email.Notification) { n.Message = "" }, "first ignored_not_ours"},
		{"of a kind that is new", "first", func(n *email.Notification) { n.Event = "" }, "first ignored_unknown_type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOffice(t, always(fault.UnknownOutcome), nil, nil, func(t *testing.T, o *office) {
				m := o.accept(t, email.AtMostOnce)
				n := news(m, 0, email.EventDelivered)
				c.change(&n)
				o.hear(t, c.provider, n)
				if got := o.get(t, m.ID); got.Status != email.Unknown || got.Recipients[0].Status != email.Unknown || !got.UpdatedAt.Equal(m.UpdatedAt) {
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
		m := o.accept(t, email.AtMostOnce)
		for name, change := range map[string]func(n *email.Notification){
			"another id":     func(n *email.Notification) { n.Message = "msg_other" },
			"another tenant": func(n *email.Notification) { n.Tenant = "other" },
		} {
			n := news(m, 0, email.EventBounced)
			change(&n)
			if _, err := o.apply(t, "first", n); !fault.Is(err, fault.NotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		o.IgnoreWebhook(webhook.Event{Provider: "first"})
		if !slices.Equal(o.counted, []string{"first ignored_not_ours"}) {
			t.Errorf("%q", o.counted)
		}
		if _, err := o.ApplyWebhook(t.Context(), webhook.Event{Provider: "first", Object: []byte(`"x"`)}); !fault.Is(err, fault.Invalid) {
			t.Errorf("what cannot be read: %v", err)
		}
		if _, err := o.ApplyWebhook(t.Context(), webhook.Event{Provider: "gone", Object: []byte(`{}`)}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("of a provider that is not configured: %v", err)
		}
	})
}

// A message that waits for its next try, since nobody knew, does not go out again.
func TestAnEventEndsWhatWouldBeSentAgain(t *testing.T) {
	inOffice(t, once(fault.UnknownOutcome), once(fault.Unavailable), nil, func(t *testing.T, o *office) {
		m := o.accept(t, email.AtLeastOnce)
		if m.Status != email.Queued || outcomes(m) != "first:ambiguous second:not_accepted " {
			t.Fatalf("%s after %s", m.Status, outcomes(m))
		}
		o.hear(t, "first", news(m, 0, email.EventProcessed))
		<-time.After(time.Hour)
		if m = o.get(t, m.ID); m.Status != email.Sent || outcomes(m) != "first:accepted second:not_accepted " || o.first.copies(m.ID) != 1 {
			t.Errorf("%s after %s, %d copies", m.Status, outcomes(m), o.first.copies(m.ID))
		}
	})
}

// The event comes before the answer: it is the acceptance, and the answer changes nothing.
func TestAnEventDuringItsAttempt(t *testing.T) {
	for name, err := range map[string]error{"then accepted": nil, "then unknown": fault.New(fault.UnknownOutcome, "reset", ""), "then refused": errDown} {
		t.Run(name, func(t *testing.T) {
			var gate chan struct{} // made in the bubble
			answer := func(int) error { <-gate; return err }
			inOffice(t, answer, nil, nil, func(t *testing.T, o *office) {
				gate = make(chan struct{})
				m := o.accept(t, email.AtLeastOnce)
				if m.Status != email.Sending {
					t.Fatalf("%s", m.Status)
				}
				o.hear(t, "first", news(m, 0, email.EventDelivered))
				close(gate)
				<-time.After(time.Hour)
				m = o.get(t, m.ID)
				if m.Status != email.Delivered || outcomes(m) != "first:accepted " || o.second.tried() != 0 {
					t.Errorf("%s after %s, %d tries at the second", m.Status, outcomes(m), o.second.tried())
				}
			})
		})
	}
}
