package emails_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// labelling lets a provider carry tags and metadata.
func labelling(l *line) *line {
	l.features.Tags, l.features.Metadata = email.MaxTags, true
	return l
}

// found returns the ids of the messages that a filter finds, newest first.
func (o *batchRig) found(t *testing.T, f emails.Filter) (all []string) {
	t.Helper()
	page, err := o.List(t.Context(), tenant, f, "", 100)
	if err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	for _, m := range page.Messages {
		all = append(all, m.ID)
	}
	return all
}

// finds checks how many messages a filter finds.
func (o *batchRig) finds(t *testing.T, what string, f emails.Filter, want int) {
	t.Helper()
	if got := o.found(t, f); len(got) != want {
		t.Errorf("%s: found %q, want %d", what, got, want)
	}
}

// terms returns the terms that the journal has of all records.
func (o *batchRig) terms() (all []string) {
	for _, r := range o.journal.Records() {
		all = append(all, r.Terms...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// labelled is a message to Ada, Bob and Eve with two tags and two pairs of metadata, due in an hour.
func labelled() email.Draft {
	return email.Draft{
		To: []email.Address{{Email: "Ada@Bücher.example", Name: "Ada"}}, Cc: []email.Address{{Email: "bob@example.com"}}, Bcc: []email.Address{{Email: "eve@example.com"}},
		Subject: "Hello", Text: "Hello", Tags: []string{"welcome", "spring"}, Metadata: map[string]string{"order": "1001", "shop": "north"},
		SendAt: time.Now().Add(time.Hour),
	}
}

func (o *batchRig) accept(t *testing.T, tenant string, d email.Draft) email.Message {
	t.Helper()
	m, _, err := o.Accept(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// erase erases a person.
func (o *batchRig) erase(t *testing.T, address string) error {
	t.Helper()
	p := user.Person{Tenant: tenant, Emails: []string{address}}
	return o.PersonalObjects(t.Context(), p, func(int) error { return nil }, func(found user.PersonalObject) error { return found.Erase(t.Context()) })
}

func TestAnEmailIsFound(t *testing.T) {
	withBatches(t, []*line{labelling(single("first", nil))}, func(t *testing.T, o *batchRig) {
		o.accept(t, tenant, email.Draft{To: []email.Address{{Email: "zoe@example.com"}}, Subject: "Another", Text: "Another", Tags: []string{"welcome"}})
		<-time.After(time.Minute)
		began := time.Now()
		m := o.accept(t, tenant, labelled())
		o.accept(t, "another", labelled())
		pairs := func(all ...string) map[string]string {
			metadata := map[string]string{}
			for i := 0; i < len(all); i += 2 {
				metadata[all[i]] = all[i+1]
			}
			return metadata
		}
		for _, tt := range []struct {
			name   string
			filter emails.Filter
			want   int
		}{
			{"nothing given", emails.Filter{}, 2},
			{"to", emails.Filter{Recipient: "Ada@Bücher.example"}, 1},
			{"to, in small letters", emails.Filter{Recipient: "ada@bücher.example"}, 1},
			{"to, its domain in ASCII", emails.Filter{Recipient: "ADA@xn--bcher-kva.example"}, 1},
			{"to, with a name", emails.Filter{Recipient: `"Ada" <Ada@Bücher.example>`}, 1},
			{"cc", emails.Filter{Recipient: "bob@example.com"}, 1},
			{"bcc", emails.Filter{Recipient: "eve@example.com"}, 1},
			{"the sender", emails.Filter{Recipient: "shop@example.com"}, 0},
			{"a part of an address", emails.Filter{Recipient: "ob@example.com"}, 0},
			{"a tag", emails.Filter{Tag: "spring"}, 1},
			{"a tag of two", emails.Filter{Tag: "welcome"}, 2},
			{"a tag in capitals", emails.Filter{Tag: "Spring"}, 0},
			{"a tag that is a recipient", emails.Filter{Tag: "bob@example.com"}, 0},
			{"a pair", emails.Filter{Metadata: pairs("order", "1001")}, 1},
			{"two pairs", emails.Filter{Metadata: pairs("order", "1001", "shop", "north")}, 1},
			{"a pair of two that it lacks", emails.Filter{Metadata: pairs("order", "1001", "shop", "south")}, 0},
			{"a value of another key", emails.Filter{Metadata: pairs("shop", "1001")}, 0},
			{"everything", emails.Filter{
				Recipient: "bob@example.com", Tag: "welcome", Metadata: pairs("shop", "north"), Status: email.Queued, From: began, Before: began.Add(time.Second),
			}, 1},
			{"another status", emails.Filter{Recipient: "bob@example.com", Status: email.Sent}, 0},
			{"another batch", emails.Filter{Recipient: "bob@example.com", Batch: "bat_1"}, 0},
			{"after it", emails.Filter{Recipient: "bob@example.com", From: began.Add(time.Second)}, 0},
			{"before it", emails.Filter{Tag: "welcome", Before: began}, 1},
			{"since it", emails.Filter{From: began}, 1},
		} {
			o.finds(t, tt.name, tt.filter, tt.want)
		}
		if got := o.found(t, emails.Filter{Recipient: "eve@example.com"}); !slices.Equal(got, []string{m.ID}) {
			t.Errorf("found %q, want %s", got, m.ID)
		}
		for name, f := range map[string]emails.Filter{
			"recipient": {Recipient: "no address of anybody"},
			"metadata": {Metadata: func() map[string]string {
				all := map[string]string{}
				for i := range 21 {
					all[fmt.Sprint(i)] = "x"
				}
				return all
			}()},
		} {
			_, err := o.List(t.Context(), tenant, f, "", 10)
			if got := fault.From(err); got.Kind != fault.Invalid || got.Param != name || strings.Contains(err.Error(), "of anybody") {
				t.Errorf("%s: got %v at %q, want invalid there, without the value", name, err, got.Param)
			}
		}
	})
}

// Terms tell nothing: they are short, of the same form, and another tenant has others.
func TestTermsAreKeyedHashes(t *testing.T) {
	withBatches(t, []*line{labelling(single("first", nil))}, func(t *testing.T, o *batchRig) {
		o.accept(t, tenant, labelled())
		before := o.terms()
		if len(before) != 7 {
			t.Errorf("%d terms, want 7: 3 recipients, 2 tags and 2 pairs", len(before))
		}
		for _, term := range before {
			if len(term) != 16 || len(term) > ports.MaxTermBytes {
				t.Errorf("term %q, want 16 characters", term)
			}
		}
		o.accept(t, tenant, labelled())
		if again := o.terms(); !slices.Equal(again, before) {
			t.Errorf("terms of the same values: %q, want %q", again, before)
		}
		o.accept(t, "another", labelled())
		if both := o.terms(); len(both) != 14 {
			t.Errorf("%d terms of two tenants, want 14", len(both))
		}
		s := emails.New(emails.Options{
			Journal: o.journal, Mailers: []ports.Mailer{o.lines[0]}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			Owner: "two", TermSecret: []byte("another secret"), Log: slog.New(slog.DiscardHandler),
		})
		if page, err := s.List(t.Context(), tenant, emails.Filter{Tag: "welcome"}, "", 10); err != nil || len(page.Messages) > 0 {
			t.Errorf("with another secret: found %d, %v; want none", len(page.Messages), err)
		}
	})
}

// spy is a journal that notes how many terms each save of a message has, -1 for nil.
type spy struct {
	*memjournal.Journal
	mu    sync.Mutex
	saves []int
}

func (j *spy) note(all ...*ports.Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range all {
		n := len(r.Terms)
		if r.Terms == nil {
			n = -1
		}
		j.saves = append(j.saves, n)
	}
}

func (j *spy) Save(ctx context.Context, all ...*ports.Record) []error {
	j.note(all...)
	return j.Journal.Save(ctx, all...)
}

func (j *spy) Attach(ctx context.Context, parent *ports.Record, children ...*ports.Record) error {
	j.note(parent)
	return j.Journal.Attach(ctx, parent, children...)
}

// What an email is found by is written when it is accepted, and not with its attempts.
func TestTheTermsOfAnEmailAreWrittenOnce(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		j := &spy{Journal: h.journal}
		s := emails.New(emails.Options{
			Journal: j, Mailers: []ports.Mailer{h.provider}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "two", Log: slog.New(slog.DiscardHandler),
		})
		m, _, err := s.Accept(t.Context(), tenant, draft(), key("k"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if got, err := s.Get(t.Context(), tenant, m.ID); err != nil || got.Status != email.Sent {
			t.Fatalf("%s, %v; want it sent", got.Status, err)
		}
		if want := []int{1, -1, -1}; !slices.Equal(j.saves, want) {
			t.Errorf("terms of the saves = %v, want %v: accepted, attempt, outcome", j.saves, want)
		}
	})
}

func TestAnErasedPersonIsNotFound(t *testing.T) {
	withBatches(t, []*line{labelling(single("first", nil))}, func(t *testing.T, o *batchRig) {
		o.accept(t, tenant, labelled())
		before := o.terms()
		if err := o.erase(t, "bob@example.com"); err != nil {
			t.Fatal(err)
		}
		o.finds(t, "the person", emails.Filter{Recipient: "bob@example.com"}, 0)
		o.finds(t, "a tag", emails.Filter{Tag: "welcome"}, 0)
		o.finds(t, "metadata", emails.Filter{Metadata: map[string]string{"order": "1001"}}, 0)
		o.finds(t, "another recipient", emails.Filter{Recipient: "eve@example.com"}, 1)
		o.finds(t, "what stands for an erased address", emails.Filter{Recipient: email.ErasedAddress}, 0)
		left := o.terms()
		if len(left) != 2 || slices.ContainsFunc(left, func(term string) bool { return !slices.Contains(before, term) }) {
			t.Errorf("terms = %q, want those of the other two recipients of %q", left, before)
		}
		for _, other := range []string{"eve@example.com", "ada@bücher.example"} {
			if err := o.erase(t, other); err != nil {
				t.Fatal(err)
			}
		}
		if left := o.terms(); len(left) > 0 {
			t.Errorf("terms = %q, want none: nobody is left", left)
		}
	})
}

// The answer of the store may be lost, or the store be gone, and the erasure is repeated.
func TestTermsAreErasedWhateverTheStoreAnswers(t *testing.T) {
	for _, op := range []string{memjournal.Save, memjournal.Saved} {
		t.Run(op, func(t *testing.T) {
			withBatches(t, []*line{labelling(single("first", nil))}, func(t *testing.T, o *batchRig) {
				o.accept(t, tenant, labelled())
				times := 0
				fail := func(at string) error {
					if at != op || times == 2 {
						return nil
					}
					times++
					return fault.New(map[string]fault.Kind{memjournal.Save: fault.Unavailable, memjournal.Saved: fault.UnknownOutcome}[op], "scripted", "")
				}
				o.fail.Store(&fail)
				for range 3 {
					_ = o.erase(t, "bob@example.com")
				}
				o.finds(t, "the person", emails.Filter{Recipient: "bob@example.com"}, 0)
				equal(t, "terms left", len(o.terms()), 2)
			})
		})
	}
}

func TestTheEmailsOfABatchAreFoundByTheirRecipients(t *testing.T) {
	for _, l := range []*line{labelling(merging("merging", nil)), labelling(single("single", nil))} {
		t.Run(l.name, func(t *testing.T) {
			withBatches(t, []*line{l}, func(t *testing.T, o *batchRig) {
				d := batchOf(150)
				d.Tags, d.SendAt = []string{"autumn"}, time.Now().Add(time.Hour)
				b := o.send(t, d, idempotency.Key{})
				u7 := emails.Filter{Recipient: "u7@example.com"}
				o.finds(t, "of the waiting batch", u7, 1)
				o.finds(t, "of another batch", emails.Filter{Recipient: "u7@example.com", Batch: "bat_1"}, 0)
				if err := o.erase(t, "u8@example.com"); err != nil {
					t.Fatal(err)
				}
				o.finds(t, "erased", emails.Filter{Recipient: "u8@example.com"}, 0)
				o.finds(t, "by tag", emails.Filter{Tag: "autumn"}, 2)
				<-time.After(2 * time.Hour)
				u7.Batch = b.ID
				o.finds(t, "of the batch that was sent", u7, 1)
				o.finds(t, "erased before it was sent", emails.Filter{Recipient: "u8@example.com"}, 0)
				if m, err := o.Get(t.Context(), tenant, o.found(t, u7)[0]); err != nil || m.Status != email.Sent {
					t.Errorf("found is %s, %v; want what was sent", m.Status, err)
				}
				if err := o.erase(t, "u7@example.com"); err != nil {
					t.Fatal(err)
				}
				o.finds(t, "erased after it was sent", u7, 0)
				equal(t, "terms left", len(o.terms()), 149) // 148 recipients and the tag
			})
		})
	}
}

// A message of an earlier version has no terms. It gets them when it changes.
func TestAnEmailOfAnEarlierVersionIsFoundOnceItHasChanged(t *testing.T) {
	withBatches(t, []*line{labelling(single("first", nil))}, func(t *testing.T, o *batchRig) {
		m := o.accept(t, tenant, labelled())
		r, err := o.journal.Get(t.Context(), tenant, emails.Kind, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(r.Body, &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, "hasTerms")
		if r.Body, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		r.Terms = []string{}
		if err := o.journal.Save(t.Context(), &r)[0]; err != nil {
			t.Fatal(err)
		}
		bob := emails.Filter{Recipient: "bob@example.com"}
		o.finds(t, "as it was written", bob, 0)
		if _, err := o.Cancel(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		o.finds(t, "once it was canceled", bob, 1)
	})
}
