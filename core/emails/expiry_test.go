package emails_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/mimeread"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

const retention = 80 * time.Hour

// reader is a provider that keeps what it gets.
type reader struct {
	mailer
	letters []email.Message
	during  func(ctx context.Context, m email.Message) error // is called first, if it is there
}

func (r *reader) Send(ctx context.Context, m email.Message) (email.Receipt, error) {
	if r.during != nil {
		if err := r.during(ctx, m); err != nil {
			return email.Receipt{}, fault.Wrap(fault.UnknownOutcome, "scripted", err)
		}
	}
	receipt, err := r.mailer.Send(ctx, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.letters = append(r.letters, m)
	}
	return receipt, err
}

// house is an emails.Service whose journal the test looks into, on virtual time.
type house struct {
	*emails.Service
	journal  *memjournal.Journal
	provider *reader
	lost     atomic.Int64 // the save whose answer is lost, by its number
}

func inHouse(t *testing.T, retention time.Duration, fail func(int) error, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &house{journal: memjournal.New(clock.System{})}
		var saves atomic.Int64
		h.journal.Fail = func(op string) error {
			if op == memjournal.Saved && saves.Add(1) == h.lost.Load() {
				return fault.New(fault.UnknownOutcome, "scripted", "")
			}
			return nil
		}
		h.provider = &reader{mailer: mailer{name: "first", fail: fail, sent: map[string]int{}, features: email.Features{Attachments: true}}}
		h.Service = emails.New(emails.Options{
			Journal: h.journal, Mailers: []ports.Mailer{h.provider}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{}, Retention: retention,
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
			MIME: mimeread.Reader{},
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		synctest.Wait()
		saves.Store(0)
		test(t, h)
		stop()
		running.Wait()
	})
}

// laden is a draft with files of so many bytes each.
func laden(sizes ...int) email.Draft {
	d := draft()
	for i, size := range sizes {
		d.Attachments = append(d.Attachments, email.Attachment{
			Filename: fmt.Sprint("file", i), ContentType: "text/plain", Content: bytes.Repeat([]byte{byte('a' + i)}, size),
		})
	}
	return d
}

func (h *house) accept(t *testing.T, d email.Draft, k idempotency.Key) email.Message {
	t.Helper()
	m, _, err := h.Accept(t.Context(), tenant, d, k)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (h *house) stored(t *testing.T, id string) ports.Record {
	t.Helper()
	r, err := h.journal.Get(t.Context(), tenant, emails.Kind, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *house) parts(t *testing.T) int {
	t.Helper()
	n := 0
	err := record.Raw(h.journal, "message_part").Walk(t.Context(), tenant, ports.Filter{}, nil, func(ports.Record) error {
		n++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLargeFilesAreWrittenOnceAndSentWhole(t *testing.T) {
	tests := []struct {
		name  string
		fail  func(int) error
		sizes []int
		parts int
	}{
		{"small ones stay with the message", nil, []int{1000, 2000}, 0},
		{"at once", nil, []int{200 << 10, 2, 1}, 1},
		{"in several parts, after a provider was down", once(fault.Unavailable), []int{3 << 20, 7 << 20, 5}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inHouse(t, 0, tt.fail, func(t *testing.T, h *house) {
				d := laden(tt.sizes...)
				m := h.accept(t, d, idempotency.Key{})
				if h.parts(t) != tt.parts {
					t.Errorf("%d parts, want %d", h.parts(t), tt.parts)
				}
				<-time.After(time.Minute)
				if body := h.stored(t, m.ID).Body; tt.parts > 0 && len(body) > 4096 {
					t.Errorf("the message's own record has %d bytes", len(body))
				}
				if len(h.provider.letters) != 1 {
					t.Fatalf("it went out %d times", len(h.provider.letters))
				}
				for i, a := range h.provider.letters[0].Attachments {
					if want := d.Attachments[i]; a.Filename != want.Filename || !bytes.Equal(a.Content, want.Content) {
						t.Errorf("%s has %d bytes, want %d", a.Filename, len(a.Content), len(want.Content))
					}
				}
			})
		})
	}
}

func TestFilesAreAtHandThoughAnAnswerOfTheJournalIsLost(t *testing.T) {
	for n, of := range map[int64]string{1: "of its acceptance", 2: "of its attempt", 3: "of its outcome"} {
		t.Run(of, func(t *testing.T) {
			inHouse(t, 0, nil, func(t *testing.T, h *house) {
				h.lost.Store(n)
				h.accept(t, laden(1<<20), idempotency.Key{})
				<-time.After(time.Minute)
				if got := h.provider.letters; len(got) != 1 || len(got[0].Attachments[0].Content) != 1<<20 {
					t.Errorf("%d went out", len(got))
				}
			})
		})
	}
}

func TestAMessageIsNeverSentWithoutItsFiles(t *testing.T) {
	inHouse(t, 0, once(fault.Unavailable), func(t *testing.T, h *house) {
		m := h.accept(t, laden(1<<20), idempotency.Key{})
		synctest.Wait()
		if n, err := h.journal.Purge(t.Context(), tenant, "message_part", time.Now().Add(time.Hour), 10); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		<-time.After(48 * time.Hour)
		if got, err := h.Get(t.Context(), tenant, m.ID); err != nil || got.Status != email.Failed || len(h.provider.letters) != 0 {
			t.Errorf("%s, %v; it went out %d times", got.Status, err, len(h.provider.letters))
		}
	})
}

func TestAKeyIsGivenUpInTheEnd(t *testing.T) {
	inHouse(t, retention, nil, func(t *testing.T, h *house) {
		first := h.accept(t, draft(), key("k"))
		<-time.After(idempotency.Kept - time.Minute)
		if again := h.accept(t, draft(), key("k")); again.ID != first.ID {
			t.Error("it was given up early")
		}
		<-time.After(5 * time.Minute)
		second := h.accept(t, draft(), key("k"))
		<-time.After(time.Minute)
		if second.ID == first.ID || len(h.provider.letters) != 2 {
			t.Errorf("%s and %s; %d went out", first.ID, second.ID, len(h.provider.letters))
		}
		if again := h.accept(t, draft(), key("k")); again.ID != second.ID {
			t.Errorf("the key stands for %s, not %s", again.ID, second.ID)
		}
		if raw := string(h.stored(t, first.ID).Body); strings.Contains(raw, "|k") {
			t.Errorf("its key is in it still: %s", raw)
		}
	})
}

func TestTextAndFilesAreKeptForAWhile(t *testing.T) {
	inHouse(t, retention, always(fault.Invalid), func(t *testing.T, h *house) {
		m := h.accept(t, laden(1<<20), key("k"))
		<-time.After(retention - time.Hour)
		if got, err := h.Get(t.Context(), tenant, m.ID); err != nil || got.HTML == "" || h.parts(t) != 1 || got.Status != email.Failed {
			t.Errorf("gone early: %+v, %v", got, err)
		}
		<-time.After(2 * time.Hour)
		got, err := h.Get(t.Context(), tenant, m.ID)
		if err != nil || got.HTML+got.Text != "" || len(got.Attachments) != 0 || h.parts(t) != 0 || got.PurgedAt.IsZero() {
			t.Errorf("%+v, %v; %d parts", got, err, h.parts(t))
		}
		if got.Subject != "Hello" || len(got.Recipients) != 1 || len(got.Attempts) != 1 {
			t.Errorf("it lost too much: %+v", got)
		}
		if r := h.stored(t, m.ID); r.Queue != "" || r.Idem != "" {
			t.Errorf("it waits for something: %+v", r)
		}
		if _, err := h.Retry(t.Context(), tenant, m.ID); !fault.Is(err, fault.Conflict) || fault.From(err).Code != "message_purged" {
			t.Errorf("without its text it cannot be sent again: %v", err)
		}
	})
}

func TestWithoutARetentionTextIsKept(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		m := h.accept(t, draft(), key("k"))
		<-time.After(retention + idempotency.Kept)
		if got, err := h.Get(t.Context(), tenant, m.ID); err != nil || got.HTML == "" || got.Key != "" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// restless is a provider that is down at first, and then refuses what it gets.
func restless() (fail func(int) error, refuse func()) {
	var up atomic.Bool
	return func(int) error {
		if up.Load() {
			return fault.New(fault.Invalid, "scripted", "")
		}
		return fault.New(fault.Unavailable, "scripted", "")
	}, func() { up.Store(true) }
}

// A message that was tried keeps its date when it is moved to another time.
func TestTextIsKeptSinceAMovedMessageEnded(t *testing.T) {
	fail, refuse := restless()
	inHouse(t, retention, fail, func(t *testing.T, h *house) {
		m := h.accept(t, draft(), idempotency.Key{})
		<-time.After(10 * time.Hour)
		if _, err := h.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(retention)); err != nil {
			t.Fatal(err)
		}
		<-time.After(retention - time.Hour)
		refuse()
		<-time.After(2 * time.Hour)
		got, err := h.Get(t.Context(), tenant, m.ID)
		if err != nil || got.Status != email.Failed || got.HTML == "" {
			t.Errorf("an hour after it was due: %s with text %q, error %v, want failed with its text", got.Status, got.HTML, err)
		}
		<-time.After(retention - 2*time.Hour)
		if got, err := h.Get(t.Context(), tenant, m.ID); err != nil || got.HTML == "" {
			t.Errorf("an hour before the retention is over: text %q, error %v, want it", got.HTML, err)
		}
		<-time.After(2 * time.Hour)
		if got, err := h.Get(t.Context(), tenant, m.ID); err != nil || got.HTML != "" {
			t.Errorf("after it: text %q, error %v, want none", got.HTML, err)
		}
	})
}

func TestAKeyIsKeptSinceAMovedMessageWasCanceled(t *testing.T) {
	inHouse(t, 10*retention, once(fault.Unavailable), func(t *testing.T, h *house) {
		m := h.accept(t, draft(), key("k"))
		<-time.After(time.Second)
		if _, err := h.Reschedule(t.Context(), tenant, m.ID, time.Now().Add(5*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		<-time.After(4 * 24 * time.Hour)
		if _, err := h.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(idempotency.Kept - time.Minute)
		if again := h.accept(t, draft(), key("k")); again.ID != m.ID {
			t.Errorf("almost 72 hours after it was canceled: %s, want %s again", again.ID, m.ID)
		}
		<-time.After(5 * time.Minute)
		if again := h.accept(t, draft(), key("k")); again.ID == m.ID {
			t.Error("after that: the same message, want another")
		}
	})
}
