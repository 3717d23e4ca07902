package emails_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/handlebars"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/template"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// line is a provider that keeps the copies that it sends, by address.
type line struct {
	name     string
	features email.Features
	fail     func(m email.Message) error // nil never fails; a copy is sent if the outcome is unknown
	down     func() error                // what Available says; nil means that it always is

	mu    sync.Mutex
	calls [][]string          // the recipients of each call
	sent  map[string][]string // the texts that each address got
}

func (l *line) Name() string { return l.name }

func (l *line) Features() email.Features { l.mu.Lock(); defer l.mu.Unlock(); return l.features }

func (l *line) configure(f email.Features) { l.mu.Lock(); l.features = f; l.mu.Unlock() }

func (l *line) Send(_ context.Context, m email.Message) (email.Receipt, error) {
	if err := l.Features().Carry(m); err != nil {
		return email.Receipt{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	got := map[string]string{}
	for _, a := range m.To {
		got[a.Email] = m.Text
	}
	for _, p := range m.Personalizations {
		got[p.To[0].Email] = p.Content.Text
	}
	l.calls = append(l.calls, slices.Sorted(maps.Keys(got)))
	var err error
	if l.fail != nil {
		err = l.fail(m)
	}
	if err == nil || fault.Is(err, fault.UnknownOutcome) {
		for address, text := range got {
			l.sent[address] = append(l.sent[address], text)
		}
	}
	return email.Receipt{Reference: "ref"}, err
}

func merging(name string, fail func(email.Message) error) *line {
	return &line{name: name, fail: fail, sent: map[string][]string{}, features: email.Features{Personalizations: 1000, MergesContent: true}}
}

func single(name string, fail func(email.Message) error) *line {
	return &line{name: name, fail: fail, sent: map[string][]string{}}
}

// fails fails the first n calls with a kind, all if n is negative.
func fails(n int, kind fault.Kind) func(email.Message) error {
	return func(email.Message) error {
		if n == 0 {
			return nil
		}
		n--
		return fault.New(kind, "scripted", "")
	}
}

// batchRig is an emails.Service with these providers, on virtual time.
type batchRig struct {
	*emails.Service
	journal *memjournal.Journal
	fail    atomic.Pointer[func(op string) error]
	lines   []*line
}

func withBatches(t *testing.T, lines []*line, test func(t *testing.T, o *batchRig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := &batchRig{journal: memjournal.New(clock.System{}), lines: lines}
		o.journal.Fail = func(op string) error {
			if f := o.fail.Load(); f != nil {
				return (*f)(op)
			}
			return nil
		}
		var mailers []ports.Mailer
		for _, l := range lines {
			mailers = append(mailers, l)
		}
		o.Service = emails.New(emails.Options{
			Journal: o.journal, Mailers: mailers, Text: htmltext.Text{}, Templates: sources{"welcome": welcome},
			Renderer: handlebars.New(template.MissingIsError), Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", TermSecret: []byte("secret"), ASCIIAddress: rfc5322.ASCII, Log: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.Run(ctx) })
		synctest.Wait()
		test(t, o)
		stop()
		running.Wait()
	})
}

// batchOf is a batch of n copies, for u0@example.com and so on.
func batchOf(n int) email.BatchDraft {
	d := email.BatchDraft{TemplateID: "welcome"}
	for i := range n {
		d.Personalizations = append(d.Personalizations, email.Personalization{
			Index: i, To: []email.Address{{Email: fmt.Sprintf("u%d@example.com", i)}}, TemplateData: fmt.Appendf(nil, `{"name":"U%d"}`, i),
		})
	}
	return d
}

func (o *batchRig) send(t *testing.T, d email.BatchDraft, k idempotency.Key) emails.BatchState {
	t.Helper()
	b, _, err := o.AcceptBatch(t.Context(), tenant, d, k)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// counts returns the counts of a batch, as "delivered:1 sent:2".
func (o *batchRig) counts(t *testing.T, id string) string {
	t.Helper()
	b, err := o.GetBatch(t.Context(), tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, status := range slices.Sorted(maps.Keys(b.Counts)) {
		all = append(all, fmt.Sprintf("%s:%d", status, b.Counts[status]))
	}
	return strings.Join(all, " ")
}

// got reports, as errors, who of n recipients did not get exactly so many copies from a provider, or
// got another's.
func (l *line) got(t *testing.T, n, copies int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range n {
		address, want := fmt.Sprintf("u%d@example.com", i), fmt.Sprintf("Hello U%d", i)
		if got := l.sent[address]; !slices.Equal(got, slices.Repeat([]string{want}, copies)) {
			t.Errorf("%s got %q from %s, want %d times %q", address, got, l.name, copies, want)
		}
	}
}

func TestABatchGoesOutInAsFewCallsAsTheProviderAllows(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(250), idempotency.Key{})
		<-time.After(time.Minute)
		first.got(t, 250, 1)
		equal(t, "calls", len(first.calls), 3)
		equal(t, "counts", o.counts(t, b.ID), "sent:250")
	})
}

func TestAProviderThatDoesNotMergeGetsAMessageForEachCopy(t *testing.T) {
	first := single("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(120), idempotency.Key{})
		<-time.After(time.Minute)
		first.got(t, 120, 1)
		for _, to := range first.calls {
			if len(to) != 1 {
				t.Errorf("a call names %q, want one recipient", to)
			}
		}
		equal(t, "counts", o.counts(t, b.ID), "sent:120")
	})
}

func TestTheOrderOfProvidersCountsMoreThanTheNumberOfCalls(t *testing.T) {
	first, second := single("first", nil), merging("second", nil)
	withBatches(t, []*line{first, second}, func(t *testing.T, o *batchRig) {
		o.send(t, batchOf(3), idempotency.Key{})
		<-time.After(time.Minute)
		first.got(t, 3, 1)
		equal(t, "calls of the second", len(second.calls), 0)
	})
}

func TestCopiesOfSeveralRecipientsGoOutOneByOne(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(2)
		d.Personalizations[1].To = append(d.Personalizations[1].To, email.Address{Email: "friend@example.com"})
		b := o.send(t, d, idempotency.Key{})
		<-time.After(time.Minute)
		slices.SortFunc(first.calls, slices.Compare)
		equal(t, "calls", fmt.Sprint(first.calls), "[[friend@example.com u1@example.com] [u0@example.com]]")
		equal(t, "counts", o.counts(t, b.ID), "sent:3")
	})
}

func TestABatchIsAcceptedOnceUnderAKey(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(3), key("k"))
		again, replayed, err := o.AcceptBatch(t.Context(), tenant, batchOf(3), key("k"))
		if err != nil || !replayed || again.ID != b.ID {
			t.Errorf("repeat = %s, replayed %t, %v; want %s, replayed", again.ID, replayed, err, b.ID)
		}
		other := idempotency.New(tenant, "POST /api/emails", "k", []byte("another body"))
		if _, _, err := o.AcceptBatch(t.Context(), tenant, batchOf(2), other); fault.From(err).Code != idempotency.CodeMismatch {
			t.Errorf("another batch under the key: %v, want %s", err, idempotency.CodeMismatch)
		}
		<-time.After(time.Minute)
		first.got(t, 3, 1)
	})
}

func TestAKeyOfABatchExpires(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(1), key("k"))
		<-time.After(idempotency.Kept + time.Hour)
		again, replayed, err := o.AcceptBatch(t.Context(), tenant, batchOf(1), key("k"))
		if err != nil || replayed || again.ID == b.ID {
			t.Errorf("batch under the expired key = %s, replayed %t, %v; want another one than %s", again.ID, replayed, err, b.ID)
		}
		<-time.After(time.Minute)
		first.got(t, 1, 2)
	})
}

func TestABatchIsRefusedForTheDataOfOneCopy(t *testing.T) {
	withBatches(t, []*line{single("first", nil)}, func(t *testing.T, o *batchRig) {
		for _, tt := range []struct {
			name, param string
			change      func(*email.BatchDraft)
		}{
			{"a key is missing", "personalizations[1].dynamic_template_data.name", func(d *email.BatchDraft) { d.Personalizations[1].TemplateData = nil }},
			{"the data are no object", "personalizations[1].dynamic_template_data", func(d *email.BatchDraft) { d.Personalizations[1].TemplateData = []byte(`[]`) }},
			{"nobody has the template", "template_id", func(d *email.BatchDraft) { d.TemplateID = "bye" }},
		} {
			d := batchOf(3)
			tt.change(&d)
			_, _, err := o.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
			if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Param != tt.param {
				t.Errorf("%s: %v at %q, want invalid at %q", tt.name, err, f.Param, tt.param)
			}
		}
		<-time.After(time.Minute)
		equal(t, "calls", len(o.lines[0].calls), 0)
	})
}

// A store without transactions writes the messages of a batch before the batch.
func TestAMessageIsNotSentBeforeItsBatchIsStored(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(1), idempotency.Key{})
		<-time.After(time.Minute)
		r, err := o.journal.Get(t.Context(), tenant, emails.Kind, strings.Replace(b.ID, "bat_", "msg_", 1)+".0")
		if err != nil {
			t.Fatal(err)
		}
		early := ports.Record{
			Tenant: tenant, Kind: emails.Kind, ID: "msg_early.0", Queue: "mail:first", Due: time.Now(),
			Body: []byte(strings.NewReplacer(r.ID, "msg_early.0", b.ID, "bat_early", `"status":"sent"`, `"status":"queued"`).Replace(string(r.Body))),
		}
		early.Body = withoutAttempts(t, early.Body)
		if err := o.journal.Save(t.Context(), &early)[0]; err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		first.got(t, 1, 1)
		parent := ports.Record{Tenant: tenant, Kind: emails.BatchKind, ID: "bat_early", Body: []byte(`{"id":"bat_early","tenant":"` + tenant + `","personalizations":1}`)}
		if err := o.journal.Save(t.Context(), &parent)[0]; err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		first.got(t, 1, 2)
	})
}

func TestAPersonsCopyIsErasedFromAWaitingBatch(t *testing.T) {
	for _, l := range []*line{merging("merging", nil), single("single", nil)} {
		t.Run(l.name, func(t *testing.T) {
			withBatches(t, []*line{l}, func(t *testing.T, o *batchRig) {
				d := batchOf(3)
				d.SendAt = time.Now().Add(time.Hour)
				b := o.send(t, d, idempotency.Key{})
				p := user.Person{Tenant: tenant, Emails: []string{"u1@example.com"}}
				err := o.PersonalObjects(t.Context(), p, func(int) error { return nil }, func(found user.PersonalObject) error {
					if text := fmt.Sprintf("%+v", found.View); strings.Contains(text, "u0@example.com") {
						t.Errorf("the person is shown another's address: %s", text)
					}
					return found.Erase(t.Context())
				})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(2 * time.Hour)
				equal(t, "copies for the person", len(l.sent["u1@example.com"]), 0)
				equal(t, "copies for another", len(l.sent["u2@example.com"]), 1)
				equal(t, "counts", o.counts(t, b.ID), "sent:2")
			})
		})
	}
}

func TestABatchThatWaitsIsCanceled(t *testing.T) {
	first := merging("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		d := batchOf(150)
		d.SendAt = time.Now().Add(time.Hour)
		b := o.send(t, d, idempotency.Key{})
		if _, err := o.CancelBatch(t.Context(), tenant, b.ID); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * time.Hour)
		equal(t, "calls", len(first.calls), 0)
		equal(t, "counts", o.counts(t, b.ID), "canceled:150")
	})
}

// Each recipient is counted once at every moment, also while copies become messages of their own.
func TestTheCountsOfABatchAlwaysAddUp(t *testing.T) {
	first := single("first", nil)
	withBatches(t, []*line{first}, func(t *testing.T, o *batchRig) {
		b := o.send(t, batchOf(5), idempotency.Key{})
		var busy atomic.Bool
		look := func(op string) error {
			if op != memjournal.Save || !busy.CompareAndSwap(false, true) {
				return nil
			}
			defer busy.Store(false)
			state, err := o.GetBatch(t.Context(), tenant, b.ID)
			sum := 0
			for _, n := range state.Counts {
				sum += n
			}
			if err != nil || sum != 5 {
				t.Errorf("counts = %v, %v; want 5 recipients", state.Counts, err)
			}
			return nil
		}
		o.fail.Store(&look)
		<-time.After(time.Minute)
		o.fail.Store(nil)
		equal(t, "counts", o.counts(t, b.ID), "sent:5")
	})
}

// withoutAttempts is the body of a message as it was before it was tried.
func withoutAttempts(t *testing.T, body []byte) []byte {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	m["attempts"] = []any{}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
