package httpapi_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"patchbay/adapters/clock"
	"patchbay/adapters/htmltext"
	"patchbay/adapters/httpapi"
	"patchbay/adapters/ids"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/emails"
	"patchbay/ports"
)

// outbox is a mail provider that accepts everything.
type outbox struct{}

func (outbox) Name() string             { return "outbox" }
func (outbox) Features() email.Features { return email.Features{Tags: email.MaxTags, Metadata: true} }

func (outbox) Send(context.Context, email.Message) (email.Receipt, error) {
	return email.Receipt{Reference: "ref"}, nil
}

// postOffice serves emails.
func postOffice(t *testing.T) *rig {
	t.Helper()
	var server *httpapi.Server
	r := serve(t, func(s *httpapi.Server) { server = s; s.LogRequests = true })
	server.Emails = emails.New(emails.Options{
		Journal: r.journal, Mailers: []ports.Mailer{outbox{}}, Text: htmltext.Text{}, Clock: clock.System{}, IDs: ids.UUIDs{},
		From: email.Address{Email: "shop@example.com"}, Delivery: email.AtLeastOnce, Owner: "one", ASCIIAddress: rfc5322.ASCII,
		TermSecret: []byte("secret"), Log: slog.New(slog.DiscardHandler),
	})
	return r
}

// sendMail sends an email and returns its view.
func (r *rig) sendMail(t *testing.T, body string) (m struct{ ID, CreatedAt string }) {
	t.Helper()
	a := r.do(t, "POST", "/api/emails", body, asJSON)
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 202 {
		t.Fatalf("got %d %s, %v, want 202", a.status, a.body, err)
	}
	return m
}

func TestARescheduleWithoutATimeSaysThatItIsMissing(t *testing.T) {
	t.Parallel()
	r := postOffice(t)
	m := r.sendMail(t, `{"to":["ada@example.com"],"subject":"Hello","text":"Hello"}`)
	a := r.do(t, "POST", "/api/emails/"+m.ID+"/reschedule", "{}", asJSON)
	a.refused(t, 400, "send_at_missing", "sendAt")
	if want := "sendAt is missing"; !strings.Contains(a.body, want) {
		t.Errorf("answer = %s, want %q in it", a.body, want)
	}
}

func TestEmailsAreFound(t *testing.T) {
	t.Parallel()
	r := postOffice(t)
	m := r.sendMail(t, `{"to":["Ada <ada+news@example.com>"],"bcc":["eve@bücher.example"],"subject":"Hello","text":"Hello","tags":["welcome"],"metadata":{"order":"1001","shop":"","a_b":"x"}}`)
	other := r.sendMail(t, `{"to":["bob@example.com"],"subject":"Hello","text":"Hello","tags":["welcome"],"metadata":{"order":"1002"}}`)
	for _, tt := range []struct {
		query string
		want  string // ids
	}{
		{"", other.ID + " " + m.ID},
		{"recipient=ada%2Bnews@example.com", m.ID},
		{"recipient=ADA%2Bnews%40EXAMPLE.com", m.ID},
		{"recipient=" + url.QueryEscape("Ada <ada+news@example.com>"), m.ID},
		{"recipient=eve%40xn--bcher-kva.example", m.ID},
		{"recipient=nobody@example.com", ""},
		{"tag=welcome", other.ID + " " + m.ID},
		{"tag=welcome&limit=1", other.ID},
		{"tag=other", ""},
		{"metadata[order]=1001", m.ID},
		{"metadata%5Border%5D=1001", m.ID},
		{"metadata[order]=1001&metadata[shop]=&metadata[a_b]=x", m.ID},
		{"metadata[order]=1002&metadata[shop]=", ""},
		{"metadata[order]=1002&tag=welcome&recipient=bob@example.com", other.ID},
		{"createdFrom=" + m.CreatedAt + "&createdBefore=" + other.CreatedAt, m.ID},
		{"createdFrom=" + other.CreatedAt + "&recipient=bob@example.com", other.ID},
		{"createdBefore=2026-01-01T00:00:00%2B01:00", ""},
		{"tag=welcome&batch=bat_1", ""},
		{"tag=welcome&status=canceled", ""},
	} {
		a := r.do(t, "GET", "/api/emails?"+tt.query, "")
		var page struct{ Data []struct{ ID string } }
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
			t.Errorf("?%s: got %d %s, %v, want 200", tt.query, a.status, a.body, err)
			continue
		}
		var got []string
		for _, one := range page.Data {
			got = append(got, one.ID)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("?%s: found %q, want %q", tt.query, got, tt.want)
		}
	}
}

// An address with a plus sign that is not escaped would find nothing, which looks like an answer.
func TestAnAddressWithABlankIsRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	for _, path := range []string{"/api/users", "/api/suppressions"} {
		a := r.do(t, "GET", path+"?email=ada+news@example.com", "")
		if a.refused(t, 400, "invalid_email", "email"); !strings.Contains(a.err.Message, "write it as %2B") {
			t.Errorf("%s: message = %q, want how to write a plus sign", path, a.err.Message)
		}
	}
	for _, address := range []string{"ada%2Bnews@example.com", "%22ada+lovelace%22@example.com"} {
		r.do(t, "GET", "/api/users?email="+address, "").hasStatus(t, 200)
	}
}

func TestAMalformedFilterOfEmailsIsRefused(t *testing.T) {
	t.Parallel()
	r := postOffice(t)
	many := "metadata[k0]=x"
	for _, n := range strings.Fields(strings.Repeat("a b c d e f g h i j k l m n o p q r s t ", 1)) {
		many += "&metadata[" + n + "]=x"
	}
	for _, tt := range []struct{ query, code, param string }{
		{"recipient=ada", "invalid_address", "recipient"},
		{"recipient=ada+secret@example.com", "invalid_address", "recipient"}, // + is a blank
		{"recipient=ada@example.com&recipient=eve@example.com", "duplicate_parameter", "recipient"},
		{"createdFrom=yesterday", "invalid_time", "createdFrom"},
		{"createdBefore=2026-11-30", "invalid_time", "createdBefore"},
		{"createdFrom=2026-11-30T12:00:00+01:00", "invalid_time", "createdFrom"}, // + is a blank
		{"metadata=x", "unknown_parameter", "metadata"},
		{"metadata[]=x", "unknown_parameter", "metadata[]"},
		{"metadata[a=x", "unknown_parameter", "metadata[a"},
		{"metadata[a]b=x", "unknown_parameter", "metadata[a]b"},
		{"tag[a]=x", "unknown_parameter", "tag[a]"},
		{"metadata[a]=x&metadata[b]=x&metadata[a]=y", "duplicate_parameter", "metadata"},
		{many, "too_many_keys", "metadata"},
	} {
		a := r.do(t, "GET", "/api/emails?"+tt.query, "")
		a.refused(t, 400, tt.code, tt.param)
		if plus := strings.Contains(tt.query, "+"); plus != strings.Contains(a.err.Message, "write it as %2B") {
			t.Errorf("?%s: message = %q, want how to write a plus sign: %v", tt.query, a.err.Message, plus)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "code=invalid_address") || strings.Contains(log, "secret@") || regexp.MustCompile(`\bada\b`).MatchString(log) {
		t.Errorf("the log is\n%s\nwant the codes in it, and nothing of the queries", log)
	}
}
