package emails_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/core/idempotency"
	"patchbay/ports"
)

func TestAListReadsNothingOfWhatMailsSay(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		h.provider.features.Headers = true
		d := laden(100 << 10) // not yet kept as a part
		d.HTML = "<p>" + strings.Repeat("<b>x</b>", 100_000)
		d.Headers = map[string]string{"X-Long": strings.Repeat("x", 900)}
		m := h.accept(t, d, idempotency.Key{})
		<-time.After(time.Minute)

		if r := h.stored(t, m.ID); len(r.Body) > 4096 {
			t.Errorf("what lists read of it has %d bytes", len(r.Body))
		}
		page, err := h.List(t.Context(), tenant, emails.Filter{}, "", 10)
		if err != nil || len(page.Messages) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		one := page.Messages[0]
		if one.HTML+one.Text != "" || one.Headers != nil || one.Attachments != nil {
			t.Error("the list has what the mail says")
		}
		if one.ID != m.ID || one.Subject != d.Subject || one.Status != email.Sent || len(one.To) != 1 || len(one.Attempts) != 1 {
			t.Errorf("the list shows %+v", one)
		}
		got, err := h.Get(t.Context(), tenant, m.ID)
		if err != nil || got.HTML != d.HTML || len(got.Attachments) != 1 || len(got.Headers) != 1 {
			t.Errorf("%d characters, %d files, %v", len(got.HTML), len(got.Attachments), err)
		}
		if sent := h.provider.letters; len(sent) != 1 || sent[0].HTML != d.HTML || len(sent[0].Attachments[0].Content) != 100<<10 {
			t.Errorf("%d went out, or not all of it", len(sent))
		}
	})
}

// The program before this one kept all of a message in one place.
func TestAMessageOfAnEarlierVersionIsSentWhole(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		html := strings.Repeat("<b>x</b>", 10_000)
		old := email.Message{
			ID: "msg_old", Tenant: tenant, Status: email.Queued, From: email.Address{Email: "shop@example.com"},
			To: []email.Address{{Email: "ada@example.com"}}, Subject: "Old", HTML: html, Text: "x", Delivery: email.AtLeastOnce,
			MessageID: "msg_old@example.com", CreatedAt: time.Now(),
			Attachments: []email.Attachment{{Filename: "a", ContentType: "text/plain", Content: []byte("file")}},
		}
		body, err := json.Marshal(old)
		if err != nil {
			t.Fatal(err)
		}
		r := ports.Record{
			Tenant: tenant, Kind: emails.Kind, ID: old.ID, Body: body, Queue: "mail:first", Due: time.Now(),
			Index: ports.Index{Status: string(email.Queued), Created: old.CreatedAt},
		}
		if err := h.journal.Save(t.Context(), &r)[0]; err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if sent := h.provider.letters; len(sent) != 1 || sent[0].HTML != html || string(sent[0].Attachments[0].Content) != "file" {
			t.Fatalf("%d went out, or not all of it", len(sent))
		}
		if now := h.stored(t, old.ID); len(now.Body) > 4096 {
			t.Errorf("what lists read of it still has %d bytes", len(now.Body))
		}
		if got, err := h.Get(t.Context(), tenant, old.ID); err != nil || got.HTML != html || got.Status != email.Sent {
			t.Errorf("%s with %d characters, %v", got.Status, len(got.HTML), err)
		}
	})
}

// scale weighs what a provider is sending, for ten seconds each.
type scale struct {
	mu        sync.Mutex
	now, most int
}

func (s *scale) send(ctx context.Context, m email.Message) error {
	bytes := 0
	for _, a := range m.Attachments {
		bytes += len(a.Content)
	}
	s.mu.Lock()
	s.now += bytes
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now -= bytes
	}()
	select {
	case <-time.After(10 * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestMailBeingSentHasABoundInBytes(t *testing.T) {
	inHouse(t, 0, nil, func(t *testing.T, h *house) {
		var s scale
		h.provider.during = s.send
		var large []string
		for range 8 {
			large = append(large, h.accept(t, laden(10<<20), idempotency.Key{}).ID)
		}
		synctest.Wait()
		small := h.accept(t, draft(), idempotency.Key{})
		<-time.After(11 * time.Second)
		if got, err := h.Get(t.Context(), tenant, small.ID); err != nil || got.Status != email.Sent {
			t.Errorf("a small mail waits for large ones: %s, %v", got.Status, err)
		}
		<-time.After(10 * time.Minute)
		for _, id := range large {
			if got, err := h.Get(t.Context(), tenant, id); err != nil || got.Status != email.Sent || len(got.Attempts) != 1 || h.provider.copies(id) != 1 {
				t.Errorf("%s in %d attempts, %d copies, %v", got.Status, len(got.Attempts), h.provider.copies(id), err)
			}
		}
		if s.most < 20<<20 || s.most > 24<<20 {
			t.Errorf("%s were sent at once", fmt.Sprintf("%d MB", s.most>>20))
		}
	})
}
