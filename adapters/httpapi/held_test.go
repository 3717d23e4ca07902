package httpapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/ports"
	"patchbay/tests/memjournal"
)

// holding is a journal that could only hold what it reads.
type holding struct{ ports.Journal }

func (h holding) Get(ctx context.Context, tenant, kind, id string) (ports.Record, error) {
	r, err := h.Journal.Get(ctx, tenant, kind, id)
	r.Held = true
	return r, err
}

// mailing is a provider that is not asked.
type mailing struct{ ports.Mailer }

func (mailing) Name() string { return "first" }

func (mailing) Features() email.Features { return email.Features{} }

// Whoever changes held mail in an outage is told to wait. The outage has its lines; each such answer is no failure
// of its own.
func TestAChangeOfHeldMailIsNoFailureOfTheGateway(t *testing.T) {
	t.Parallel()
	r := serve(t, func(s *httpapi.Server) {
		s.Emails = emails.New(emails.Options{
			Journal: holding{memjournal.New(clock.System{})}, Mailers: []ports.Mailer{mailing{}}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
			From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", Log: slog.New(slog.DiscardHandler),
		})
	})
	later := time.Now().Add(time.Hour).Format(time.RFC3339)
	sent := r.do(t, "POST", "/api/emails", fmt.Sprintf(`{"to":["ada@example.com"],"subject":"Hi","text":"Hi","sendAt":%q}`, later), asJSON)
	if sent.status != 202 {
		t.Fatalf("got %d %s, want 202", sent.status, sent.body)
	}
	id := regexp.MustCompile(`msg_[0-9a-z]+`).FindString(sent.body)
	for path, body := range map[string]string{"/cancel": "", "/reschedule": fmt.Sprintf(`{"sendAt":%q}`, later)} {
		if a := r.do(t, "POST", "/api/emails/"+id+path, body, asJSON); a.status != 503 || !strings.Contains(a.body, emails.CodeHeld) {
			t.Errorf("%s: got %d %s, want 503 %s", path, a.status, a.body, emails.CodeHeld)
		}
	}
	if lines := linesWith(&r.log, "request failed"); len(lines) > 0 {
		t.Errorf("got the lines %q, want none", lines)
	}
}
