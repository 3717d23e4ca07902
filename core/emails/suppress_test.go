package emails_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/mimeread"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/core/suppressions"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// listener is a mailer that remembers what it was given.
type listener struct {
	*mailer
	got []email.Message
}

func (r *listener) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	r.mu.Lock()
	r.got = append(r.got, m)
	r.mu.Unlock()
	return r.mailer.Send(ctx, m)
}

// last is the message that the provider was given last.
func (r *listener) last(t *testing.T) email.Message {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("the provider was given no message, want one")
	}
	return r.got[len(r.got)-1]
}

// bureau is an emails.Service with suppressions, of two providers.
type bureau struct {
	office
	first, second *listener
	suppressed    *suppressions.Service
	mu            sync.Mutex
	fail          func(op string) error
}

func inBureau(t *testing.T, first, second func(int) error, test func(t *testing.T, b *bureau)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := email.Features{Headers: true, OnlyBcc: true}
		b := &bureau{
			first:  &listener{mailer: &mailer{name: "first", features: all, fail: first, sent: map[string]int{}}},
			second: &listener{mailer: &mailer{name: "second", features: all, fail: second, sent: map[string]int{}}},
		}
		b.journal = memjournal.New(clock.System{})
		b.journal.Fail = func(op string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.fail != nil {
				return b.fail(op)
			}
			return nil
		}
		b.suppressed = suppressions.New(suppressions.Options{
			Journal: b.journal, Clock: clock.System{}, IDs: ids.UUIDs{}, HashSecret: []byte("hash"), LinkSecret: []byte("link"),
			PublicURL: "https://mail.example.com", ASCIIAddress: rfc5322.ASCII,
		})
		b.Service = emails.New(emails.Options{
			Journal: b.journal, Mailers: []ports.Mailer{b.first, b.second}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
			Events:       map[string]ports.MailReader{"first": telling{}, "second": telling{}},
			ASCIIAddress: rfc5322.ASCII, UnmarkedTenant: tenant, Suppressions: b.suppressed, MIME: mimeread.Reader{},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.Run(ctx) }()
		synctest.Wait()
		test(t, b)
		stop()
		<-done
	})
}

func (b *bureau) failing(fail func(op string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *bureau) suppress(t *testing.T, name string, r suppression.Reason) {
	t.Helper()
	if _, err := b.suppressed.Add(t.Context(), tenant, suppressions.Addition{Email: name + "@example.com", Reason: r}); err != nil {
		t.Fatal(err)
	}
}

// send accepts a message of a category, and waits until it has come to rest or waits for a retry.
func (b *bureau) send(t *testing.T, c email.Category, to ...string) email.Message {
	t.Helper()
	d := draft()
	d.Category, d.To = c, nil
	for _, name := range to {
		d.To = append(d.To, email.Address{Email: name + "@example.com"})
	}
	m, _, err := b.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return b.get(t, m.ID)
}

func shortly(list []email.Address) (all string) {
	for _, a := range list {
		all += strings.TrimSuffix(a.Email, "@example.com") + " "
	}
	return strings.TrimSpace(all)
}

// feed returns the types of the events of a message.
func (b *bureau) feed(t *testing.T, id string) (types []string) {
	t.Helper()
	events, err := b.journal.Feed(t.Context(), tenant, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Subject == id {
			types = append(types, fmt.Sprint(e.Type, " ", string(e.Data)))
		}
	}
	return types
}

func TestASuppressedRecipientIsLeftOutAndTheOthersGetIt(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "eve", suppression.Bounced)
		m := b.send(t, email.Transactional, "ada", "eve", "bob")
		equal(t, "the status", m.Status, email.Sent)
		equal(t, "who got it", shortly(b.first.last(t).To), "ada bob")
		equal(t, "Eve's status", m.Recipients[1].Status, email.Suppressed)
		equal(t, "Eve's reason", m.Recipients[1].Suppressed, "bounced")
		equal(t, "Ada's status", m.Recipients[0].Status, email.Sent)
		equal(t, "the recipients that are kept", shortly(m.To), "ada eve bob")
		if feed := b.feed(t, m.ID); !slices.Contains(feed, `message.suppressed {"reason":"bounced","recipient":1}`) {
			t.Errorf("the feed has %q, want one about Eve, and her reason", feed)
		}
	})
}

func TestAMessageWithoutAnyoneLeftEnds(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "ada", suppression.Manual)
		b.suppress(t, "eve", suppression.Bounced)
		m := b.send(t, email.Transactional, "ada", "eve")
		equal(t, "the status", m.Status, email.Suppressed)
		equal(t, "the attempts", len(m.Attempts), 0)
		equal(t, "tries at the providers", b.first.tried()+b.second.tried(), 0)
		want := []string{`message.suppressed {"status":"suppressed"}`, `message.suppressed {"reason":"manual","recipient":0}`, `message.suppressed {"reason":"bounced","recipient":1}`}
		if feed := b.feed(t, m.ID); len(feed) != 4 || !slices.Equal(feed[1:], want) {
			t.Errorf("the feed has %q, want that it is queued, and %q", feed, want)
		}
		<-time.After(24 * time.Hour)
		equal(t, "tries a day later", b.first.tried()+b.second.tried(), 0)
	})
}

func TestWhatIsSuppressedForWhichCategory(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		for _, c := range []struct {
			reason   suppression.Reason
			category email.Category
			want     email.Status
		}{
			{suppression.Unsubscribed, email.Marketing, email.Suppressed},
			{suppression.Unsubscribed, email.Transactional, email.Sent},
			{suppression.Unsubscribed, "", email.Sent},
			{suppression.Complained, email.Marketing, email.Suppressed},
			{suppression.Complained, email.Transactional, email.Sent},
			{suppression.Bounced, email.Marketing, email.Suppressed},
			{suppression.Bounced, email.Transactional, email.Suppressed},
		} {
			b.suppress(t, string(c.reason), c.reason)
			equal(t, fmt.Sprintf("%q mail to one who is %s", c.category, c.reason), b.send(t, c.category, string(c.reason)).Status, c.want)
		}
	})
}

// Somebody may be suppressed while a message waits, or between two attempts.
func TestSuppressionsAreReadAtEachAttempt(t *testing.T) {
	inBureau(t, once(fault.Unavailable), always(fault.Unavailable), func(t *testing.T, b *bureau) {
		m := b.send(t, email.Transactional, "ada", "eve")
		equal(t, "the status", m.Status, email.Queued)
		equal(t, "who was to get it first", shortly(b.first.last(t).To), "ada eve")
		b.suppress(t, "eve", suppression.Bounced)
		<-time.After(time.Minute)
		synctest.Wait()
		equal(t, "the status a minute later", b.get(t, m.ID).Status, email.Sent)
		equal(t, "who got it", shortly(b.first.last(t).To), "ada")
	})
}

func TestNothingIsSentWhileSuppressionsAreNotRead(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "ada", suppression.Bounced)
		b.failing(func(op string) error {
			if op == memjournal.Get {
				return fault.New(fault.Unavailable, "scripted", "")
			}
			return nil
		})
		m, _, err := b.Accept(t.Context(), tenant, draft(), idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "tries while the list is away", b.first.tried()+b.second.tried(), 0)
		b.failing(nil)
		<-time.After(10 * time.Minute)
		synctest.Wait()
		equal(t, "the status once it is back", b.get(t, m.ID).Status, email.Suppressed)
		equal(t, "tries", b.first.tried()+b.second.tried(), 0)
	})
}

func TestASuppressedMessageIsSentAfterItsRecipientWasRemoved(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "ada", suppression.Bounced)
		m := b.send(t, email.Transactional, "ada")
		if err := b.suppressed.Remove(t.Context(), tenant, b.suppressed.IDOf(tenant, "ada@example.com")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		m = b.get(t, m.ID)
		equal(t, "the status", m.Status, email.Sent)
		equal(t, "Ada's status", m.Recipients[0].Status, email.Sent)
	})
}

// What one provider tells stops mail through the other.
func TestWhichEventsSuppressTheirRecipient(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		for i, c := range []struct {
			name                     string
			told                     email.Notification
			transactional, marketing email.Status
		}{
			{"no such mailbox", email.Notification{Event: email.EventBounced, Code: "5.1.1"}, email.Suppressed, email.Suppressed},
			{"blocked", email.Notification{Event: email.EventBounced, Code: "5.7.1"}, email.Sent, email.Sent},
			{"a full mailbox", email.Notification{Event: email.EventBounced, Code: "5.2.2"}, email.Sent, email.Sent},
			{"deferred", email.Notification{Event: email.EventDeferred, Code: "4.2.2"}, email.Sent, email.Sent},
			{"complained", email.Notification{Event: email.EventComplained}, email.Sent, email.Suppressed},
			{"unsubscribed", email.Notification{Event: email.EventUnsubscribed}, email.Sent, email.Suppressed},
			{"on the provider's list", email.Notification{Event: email.EventRejected, Cause: email.CauseBouncedBefore}, email.Suppressed, email.Suppressed},
		} {
			name := fmt.Sprintf("user%d", i)
			m := b.send(t, email.Transactional, name)
			n := news(m, 0, c.told.Event)
			n.Recipient, n.Code, n.Cause, n.At = name+"@example.com", c.told.Code, c.told.Cause, time.Now()
			if _, err := b.apply(t, "first", n); err != nil {
				t.Fatal(err)
			}
			equal(t, c.name+": transactional", b.send(t, email.Transactional, name).Status, c.transactional)
			equal(t, c.name+": marketing", b.send(t, email.Marketing, name).Status, c.marketing)
		}
	})
}

func TestAnEventSuppressesItsRecipientAlone(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		m := b.send(t, email.Transactional, "ada", "eve")
		stranger := news(m, 0, email.EventBounced)
		stranger.Recipient, stranger.Code = "stranger@example.com", "5.1.1"
		nobody := news(m, 0, email.EventUnsubscribed)
		nobody.Recipient = ""
		other := news(m, 0, email.EventBounced)
		other.Code = "5.1.1"
		ada := other
		for _, c := range []struct {
			provider string
			n        email.Notification
		}{{"first", stranger}, {"first", nobody}, {"second", other}} {
			if _, err := b.apply(t, c.provider, c.n); err != nil {
				t.Fatal(err)
			}
		}
		if page, _, err := b.suppressed.List(t.Context(), tenant, "", 10); err != nil || len(page) != 0 {
			t.Errorf("suppressed by a stranger's, nobody's and another account's event: %+v, %v, want nobody", page, err)
		}
		if _, err := b.apply(t, "first", ada); err != nil {
			t.Fatal(err)
		}
		page, _, err := b.suppressed.List(t.Context(), tenant, "", 10)
		if err != nil || len(page) != 1 || page[0].Email != "ada@example.com" {
			t.Fatalf("suppressed: %+v, %v, want Ada", page, err)
		}
		from := page[0].Counting()[0].Source
		equal(t, "where it comes from", from, suppression.Source{Provider: "first", Message: m.ID, Code: "5.1.1"})
	})
}

// The process dies, or the store fails, after the message was changed and before the address is
// suppressed: the event is applied again.
func TestAnEventThatIsAppliedAgainStillSuppresses(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		m := b.send(t, email.Transactional, "ada")
		n := news(m, 0, email.EventBounced)
		n.Code = "5.1.1"
		saves := 0
		b.failing(func(op string) error {
			if op == memjournal.Save {
				if saves++; saves == 2 {
					return fault.New(fault.Unavailable, "scripted", "")
				}
			}
			return nil
		})
		_, err := b.apply(t, "first", n)
		equal(t, "the kind of the failure", fault.KindOf(err), fault.Unavailable)
		equal(t, "Ada's status", b.get(t, m.ID).Recipients[0].Status, email.Status(email.EventBounced))
		if _, err := b.apply(t, "first", n); err != nil {
			t.Fatal(err)
		}
		equal(t, "the next message's status", b.send(t, email.Transactional, "ada").Status, email.Suppressed)
	})
}

func TestAnErasedMessagesEventSuppressesNobody(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		m := b.send(t, email.Transactional, "ada")
		eraseAll(t, b.Service, "ada@example.com")
		n := news(m, 0, email.EventBounced)
		n.Code = "5.1.1"
		applied, err := b.apply(t, "first", n)
		equal(t, "the event is about erased data", applied.Erased, true)
		equal(t, "its error", err, nil)
		if page, _, err := b.suppressed.List(t.Context(), tenant, "", 10); err != nil || len(page) != 0 {
			t.Errorf("suppressed: %+v, %v, want nobody", page, err)
		}
	})
}

// refusesRecipient refuses a recipient with the words of a server.
func refusesRecipient(code, words string) func(int) error {
	return func(int) error {
		return &fault.Error{Kind: fault.Invalid, Code: code, Answer: &fault.Answer{Status: 550, Field: "RCPT", Words: words}}
	}
}

func TestARefusalBySMTPSuppressesTheOnlyRecipient(t *testing.T) {
	for name, c := range map[string]struct {
		code, words string
		to          []string
		want        int
	}{
		"no such mailbox":                  {email.CodeRecipientRejected, "5.1.1 no such user", []string{"ada"}, 1},
		"no such mailbox, of one of two":   {email.CodeRecipientRejected, "5.1.1 no such user", []string{"ada", "eve"}, 0},
		"a full mailbox":                   {email.CodeRecipientRejected, "5.2.2 full", []string{"ada"}, 0},
		"in no enhanced code":              {email.CodeRecipientRejected, "no such user", []string{"ada"}, 0},
		"the message, with the same words": {"rejected", "5.1.1 no such user", []string{"ada"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBureau(t, refusesRecipient(c.code, c.words), nil, func(t *testing.T, b *bureau) {
				equal(t, "the status", b.send(t, email.Transactional, c.to...).Status, email.Failed)
				page, _, err := b.suppressed.List(t.Context(), tenant, "", 10)
				if err != nil || len(page) != c.want {
					t.Errorf("suppressed: %+v, %v, want %d", page, err, c.want)
				}
			})
		})
	}
}
