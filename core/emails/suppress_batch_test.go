package emails_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/adapters/handlebars"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
	"patchbay/core/suppression"
	"patchbay/core/template"
)

// sendBatch sends a batch of one copy for each name, by a first provider that merges them, and waits
// until it has come to rest.
func (b *bureau) sendBatch(t *testing.T, c email.Category, names ...string) emails.BatchState {
	t.Helper()
	b.first.features.Templates = func(string) bool { return true }
	b.first.features.Personalizations, b.first.features.MergesData = 100, true
	d := email.BatchDraft{TemplateID: "welcome", Subject: "Hello", Category: c}
	for i, name := range names {
		d.Personalizations = append(d.Personalizations, email.Personalization{Index: i, To: []email.Address{{Email: name + "@example.com"}}})
	}
	batch, _, err := b.AcceptBatch(t.Context(), tenant, d, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Minute)
	synctest.Wait()
	if batch, err = b.GetBatch(t.Context(), tenant, batch.ID); err != nil {
		t.Fatal(err)
	}
	return batch
}

func TestSuppressedCopiesOfABatchAreLeftOut(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "eve", suppression.Bounced)
		batch := b.sendBatch(t, email.Transactional, "ada", "eve", "bob")
		equal(t, "the counts", fmt.Sprint(batch.Counts), "map[sent:2 suppressed:1]")
		equal(t, "the calls", b.first.tried(), 1)
		got := b.first.last(t).Personalizations
		if len(got) != 2 || got[0].To[0].Email != "ada@example.com" || got[1].To[0].Email != "bob@example.com" {
			t.Errorf("the provider got %+v, want the copies of Ada and Bob", got)
		}
	})
}

func TestABatchWithoutAnyoneLeftEnds(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "ada", suppression.Manual)
		b.suppress(t, "eve", suppression.Manual)
		equal(t, "the counts", fmt.Sprint(b.sendBatch(t, email.Transactional, "ada", "eve").Counts), "map[suppressed:2]")
		equal(t, "the calls", b.first.tried()+b.second.tried(), 0)
	})
}

// Each copy of a marketing batch has a link of its own, so they do not go out together.
func TestEachCopyOfAMarketingBatchHasItsOwnLink(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.suppress(t, "eve", suppression.Unsubscribed)
		batch := b.sendBatch(t, email.Marketing, "ada", "eve", "bob")
		equal(t, "the counts", fmt.Sprint(batch.Counts), "map[sent:2 suppressed:1]")
		links := make(map[string]bool)
		for _, m := range b.first.got {
			links[token(t, m)] = true
		}
		if len(b.first.got) != 2 || len(links) != 2 || links[""] {
			t.Errorf("%d messages with the links %v, want two with one of their own", len(b.first.got), links)
		}
	})
}

func TestASuppressedBatchIsSentAfterItsRecipientsWereRemoved(t *testing.T) {
	inBureau(t, nil, nil, func(t *testing.T, b *bureau) {
		b.Templates, b.Renderer = sources{"welcome": welcome}, handlebars.New(template.MissingIsError)
		b.first.features.Personalizations, b.first.features.MergesContent = 100, true
		b.suppress(t, "u0", suppression.Bounced)
		b.suppress(t, "u1", suppression.Bounced)
		state, _, err := b.AcceptBatch(t.Context(), tenant, batchOf(2), idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		page, err := b.List(t.Context(), tenant, emails.Filter{Batch: state.ID}, "", 10)
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("%d messages, %v; want one", len(page.Messages), err)
		}
		m := page.Messages[0]
		equal(t, "status while all are suppressed", m.Status, email.Suppressed)
		for _, address := range []string{"u0@example.com", "u1@example.com"} {
			if err := b.suppressed.Remove(t.Context(), tenant, b.suppressed.IDOf(tenant, address)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Retry(t.Context(), tenant, m.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "status after a retry", b.get(t, m.ID).Status, email.Sent)
	})
}
