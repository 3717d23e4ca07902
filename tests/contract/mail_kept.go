package contract

import (
	"fmt"
	"slices"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

func everybodyGetsIt(t *testing.T, h MailOutcomesHarness) {
	m := message()
	m.To = append(m.To, email.Address{Email: "eve@example.com", Name: "Eve"})
	m.Cc = []email.Address{{Email: "cc@example.com"}}
	m.Bcc = []email.Address{{Email: "bcc@example.com"}, {Email: "audit@example.com"}}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	kept := h.Kept()
	want := []string{"ada@example.com", "audit@example.com", "bcc@example.com", "cc@example.com", "eve@example.com"}
	if len(kept) != 1 || !slices.Equal(slices.Sorted(slices.Values(kept[0].To)), want) {
		t.Errorf("%+v", kept)
	}
}

// Draft.Check refuses duplicate recipients. Even if that check is missing, nobody must get two
// copies.
func twiceIsOnce(t *testing.T, h MailOutcomesHarness) {
	m := message()
	m.Cc = []email.Address{{Email: "Ada@Example.com"}}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		wantKind(t, err, fault.Invalid)
		if n := len(h.Delivered(t)); n != 0 {
			t.Errorf("%d messages were delivered", n)
		}
		return
	}
	if kept := h.Kept(); len(kept) != 1 || len(kept[0].To) != 1 {
		t.Errorf("%+v", kept)
	}
}

func declaredOrNoRequest(t *testing.T, h MailOutcomesHarness) {
	features := h.Mailer.Features()
	file := email.Attachment{Filename: "a.txt", ContentType: "text/plain", Content: []byte("a")}
	inline := file
	inline.ContentID = "a"
	sent := 0
	for name, use := range map[string]func(*email.Message){
		"attachments":      func(m *email.Message) { m.Attachments = []email.Attachment{file} },
		"inline files":     func(m *email.Message) { m.Attachments = []email.Attachment{inline} },
		"headers":          func(m *email.Message) { m.Headers = map[string]string{"X-A": "b"} },
		"as many tags":     func(m *email.Message) { m.Tags = tags(features.Tags) },
		"more tags":        func(m *email.Message) { m.Tags = tags(features.Tags + 1) },
		"metadata":         func(m *email.Message) { m.Metadata = map[string]string{"a": "b"} },
		"as much metadata": func(m *email.Message) { m.Metadata = metadata(min(features.MaxMetadata, 38_000)) },
		"more metadata":    func(m *email.Message) { m.Metadata = metadata(features.MaxMetadata + 20) },
		"two to be replied to": func(m *email.Message) {
			m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: "b@example.com"}}
		},
	} {
		m := message()
		use(&m)
		_, err := h.Mailer.Send(t.Context(), m)
		switch declared := features.Carry(m) == nil; {
		case !declared:
			wantKind(t, err, fault.Unsupported)
		case err != nil:
			t.Errorf("%s: %v, though it is declared", name, err)
		default:
			sent++
		}
	}
	if n := h.Requests(); n != sent || len(h.Delivered(t)) != sent {
		t.Errorf("%d requests and %d messages, want %d", n, len(h.Delivered(t)), sent)
	}
}

func tags(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("tag-", i)
	}
	return list
}

// metadata returns twenty entries of n bytes in total, or slightly fewer. Each value has at least
// one byte.
func metadata(n int) map[string]string {
	all := make(map[string]string)
	for i := range 20 {
		name := fmt.Sprintf("key-%02d", i)
		all[name] = fmt.Sprintf("%0*d", max(1, n/20-len(name)), i)
	}
	return all
}

func idsAndMetadata(t *testing.T, h MailOutcomesHarness) {
	seen := make(map[string]bool)
	for i := range 3 {
		m := message()
		m.ID, m.Tenant = fmt.Sprint("msg_", i), "acme"
		m.Attempts = []email.Attempt{{ID: "att_0", Outcome: email.Ambiguous}, {ID: fmt.Sprint("att_1", i), Outcome: email.Attempting}}
		m.MessageID = m.ID + "@example.com"
		if h.Mailer.Features().Metadata {
			m.Metadata = map[string]string{"order": fmt.Sprint("17-", i), "note": `"quoted" – {"a":1} \n <b>`}
		}
		receipt, err := h.Mailer.Send(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if receipt.Reference == "" || seen[receipt.Reference] {
			t.Errorf("%q is no reference, or another message's", receipt.Reference)
		}
		seen[receipt.Reference] = true
		kept := h.Kept()
		if len(kept) != i+1 {
			t.Fatalf("the provider keeps %+v", kept)
		}
		m.Metadata = withMarks(m)
		for name, value := range m.Metadata {
			if got := kept[i].Variables[name]; got != value {
				t.Errorf("%s is kept as %q, want %q", name, got, value)
			}
		}
	}
}

// withMarks returns the metadata and Patchbay's own variables of a message, as the provider keeps
// them.
func withMarks(m email.Message) map[string]string {
	all := map[string]string{email.IDVariable: m.ID, email.TenantVariable: m.Tenant, email.AttemptVariable: m.Attempts[1].ID}
	for name, value := range m.Metadata {
		all[name] = value
	}
	return all
}
