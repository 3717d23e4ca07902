package mailtest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/contract/internal/suite"
)

func everyRecipient(t *testing.T, h NetworkHarness) {
	m := message()
	m.To = append(m.To, email.Address{Email: "eve@example.com", Name: "Eve"})
	m.Cc = []email.Address{{Email: "cc@example.com"}}
	m.Bcc = []email.Address{{Email: "bcc@example.com"}, {Email: "audit@example.com"}}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want := []string{"ada@example.com", "audit@example.com", "bcc@example.com", "cc@example.com", "eve@example.com"}
	suite.Equal(t, "recipients at the provider", slices.Sorted(slices.Values(h.onlyKept(t).To)), want)
}

func onlyBcc(t *testing.T, h NetworkHarness) {
	m := message()
	m.To, m.Bcc = nil, []email.Address{{Email: "hidden@example.com"}, {Email: "secret@example.com"}}
	if !h.Mailer.Features().OnlyBcc {
		wantUnsupported(t, h.Harness, m)
		return
	}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var to []string
	for _, kept := range h.Kept() {
		to = append(to, kept.To...)
	}
	suite.Equal(t, "recipients at the provider", slices.Sorted(slices.Values(to)), []string{"hidden@example.com", "secret@example.com"})
	for _, raw := range h.Delivered(t) {
		if bytes.Contains(raw, []byte("hidden@")) && bytes.Contains(raw, []byte("secret@")) {
			t.Errorf("delivered:\n%s\nwant no copy that names both recipients in bcc", raw)
		}
	}
}

// onlyKept returns what the provider keeps of the only message.
func (h NetworkHarness) onlyKept(t *testing.T) Kept {
	t.Helper()
	kept := h.Kept()
	if len(kept) != 1 {
		t.Fatalf("the provider keeps %d messages, want 1: %+v", len(kept), kept)
	}
	return kept[0]
}

// Draft.Check refuses duplicate recipients. Even if that check is missing, nobody must get two
// copies.
func duplicateRecipient(t *testing.T, h NetworkHarness) {
	m := message()
	m.Cc = []email.Address{{Email: "Ada@Example.com"}}
	if _, err := h.Mailer.Send(t.Context(), m); err != nil {
		suite.WantKind(t, err, fault.Invalid)
		wantDelivered(t, h.Harness, 0)
		return
	}
	if to := h.onlyKept(t).To; len(to) != 1 {
		t.Errorf("recipients at the provider: %v, want the address once", to)
	}
}

func undeclaredNoAttempt(t *testing.T, h NetworkHarness) {
	features := h.Mailer.Features()
	file := email.Attachment{Filename: "a.txt", ContentType: "text/plain", Content: []byte("a")}
	inline := file
	inline.ContentID = "a"
	sent := 0
	for name, use := range map[string]func(*email.Message){
		"attachments":        func(m *email.Message) { m.Attachments = []email.Attachment{file} },
		"inline files":       func(m *email.Message) { m.Attachments = []email.Attachment{inline} },
		"headers":            func(m *email.Message) { m.Headers = map[string]string{"X-A": "b"} },
		"as many tags":       func(m *email.Message) { m.Tags = tags(features.Tags) },
		"more tags":          func(m *email.Message) { m.Tags = tags(features.Tags + 1) },
		"metadata":           func(m *email.Message) { m.Metadata = map[string]string{"a": "b"} },
		"as much metadata":   func(m *email.Message) { m.Metadata = metadata(min(features.MaxMetadata, 38_000)) },
		"more metadata":      func(m *email.Message) { m.Metadata = metadata(features.MaxMetadata + 20) },
		"as many recipients": func(m *email.Message) { m.To = recipientsOf(cmp.Or(features.MaxRecipients, email.MaxRecipients)) },
		"more recipients":    func(m *email.Message) { m.To = recipientsOf(cmp.Or(features.MaxRecipients, email.MaxRecipients-1) + 1) },
		"two to be replied to": func(m *email.Message) {
			m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: "b@example.com"}}
		},
	} {
		m := message()
		use(&m)
		_, err := h.Mailer.Send(t.Context(), m)
		switch declared := features.Carry(m) == nil; {
		case !declared:
			suite.WantKind(t, err, fault.Unsupported)
		case err != nil:
			t.Errorf("%s are declared: error %v, want none", name, err)
		default:
			sent++
		}
	}
	suite.Equal(t, "attempts", h.Attempts(), sent)
	wantDelivered(t, h.Harness, sent)
}

// repeatedAttempt sends the message of one attempt twice, and then in another attempt.
func repeatedAttempt(t *testing.T, h NetworkHarness) {
	m := message()
	m.HTML, m.Headers = "<p>Hello Ada</p>", map[string]string{"X-A": "a", "X-B": "b", "X-C": "c"}
	m.Metadata = map[string]string{"order": "17", "customer": "9", "shop": "3"}
	if h.Mailer.Features().Carry(m) != nil {
		m.Headers, m.Metadata = nil, nil
	}
	references := make(map[string]bool)
	send := func(a email.Attempt) {
		m.Attempts, m.UpdatedAt = []email.Attempt{a}, m.UpdatedAt.Add(time.Hour)
		receipt, err := h.Mailer.Send(t.Context(), m)
		if err != nil {
			t.Fatalf("%+v: error %v, want none", a, err)
		}
		references[receipt.Reference] = true
	}
	send(email.Attempt{ID: "att_1", Outcome: email.Attempting})
	send(email.Attempt{ID: "att_1", Outcome: email.Attempting, Repeats: 1, Code: "no_answer"})
	remembered := 2
	if f := h.Mailer.Features(); f.KeyMemory > 0 {
		remembered = 1
		suite.Equal(t, "the account is declared", f.Account != "", true)
	}
	wantDelivered(t, h.Harness, remembered)
	send(email.Attempt{ID: "att_2", Outcome: email.Attempting})
	wantDelivered(t, h.Harness, remembered+1)
	if _, given := references[""]; !given {
		suite.Equal(t, "different references", len(references), remembered+1)
	}
}

func tracking(t *testing.T, h NetworkHarness) {
	declared := h.Mailer.Features().Tracking
	sent := 0
	for _, setting := range append(email.EachTracking(), "") {
		m := message()
		m.HTML, m.Tracking = `<p><a href="https://shop.example/login?code=1">Log in</a></p>`, setting
		_, err := h.Mailer.Send(t.Context(), m)
		if setting != "" && !slices.Contains(declared, setting) {
			suite.WantKind(t, err, fault.Unsupported)
			continue
		}
		if err != nil {
			t.Fatalf("tracking %q: error %v, want none", setting, err)
		}
		want := ""
		if len(declared) == len(email.EachTracking()) {
			want = string(setting)
		}
		kept := h.Kept()
		if sent++; len(kept) != sent {
			t.Fatalf("the provider keeps %d messages, want %d", len(kept), sent)
		}
		suite.Equal(t, fmt.Sprintf("what the provider was told of tracking %q", setting), kept[sent-1].Tracking, want)
	}
	suite.Equal(t, "attempts", h.Attempts(), sent)
}

func recipientsOf(n int) []email.Address {
	list := make([]email.Address, n)
	for i := range list {
		list[i] = email.Address{Email: fmt.Sprintf("r%d@example.com", i)}
	}
	return list
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

// marksAndMetadata sends three messages. Each gets a reference of its own, unless the provider gives
// none.
func marksAndMetadata(n Network) func(t *testing.T, h NetworkHarness) {
	return func(t *testing.T, h NetworkHarness) {
		if n.NoMarks && h.Mailer.Features().Metadata {
			t.Fatal("the mailer declares metadata, and the harness that the provider keeps none")
		}
		seen := make(map[string]bool)
		for i := range 3 {
			m := message()
			m.ID, m.Tenant = fmt.Sprint("msg_", i), "acme"
			m.Attempts = []email.Attempt{{ID: "att_0", Outcome: email.Ambiguous}, {ID: fmt.Sprint("att_1", i), Outcome: email.Attempting}}
			m.MessageID = m.ID + "@example.com"
			if h.Mailer.Features().Metadata {
				m.Metadata = map[string]string{"order": fmt.Sprint("17-", i), "note": `"quoted" – {"a":1} \n <b>`}
			}
			if h.Mailer.Features().Carry(m) != nil { // it declares that it cannot keep every text
				m.Metadata["note"] = "quoted"
			}
			receipt, err := h.Mailer.Send(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if given := receipt.Reference != "" && !seen[receipt.Reference]; given == n.NoReference {
				t.Errorf("reference %q after %v, want one that is new; none where the provider gives none: %t", receipt.Reference, seen, n.NoReference)
			}
			seen[receipt.Reference] = true
			kept := h.Kept()
			if len(kept) != i+1 {
				t.Fatalf("the provider keeps %d messages, want %d: %+v", len(kept), i+1, kept)
			}
			if !n.NoMarks {
				wantVariables(t, kept[i].Variables, m)
			}
		}
	}
}

// wantVariables checks that the provider keeps the metadata of a message and Patchbay's marks.
func wantVariables(t *testing.T, got map[string]string, m email.Message) {
	t.Helper()
	want := map[string]string{email.IDVariable: m.ID, email.TenantVariable: m.Tenant, email.AttemptVariable: m.Attempts[1].ID}
	maps.Copy(want, m.Metadata)
	for name, value := range want {
		suite.Equal(t, "the variable "+name, got[name], value)
	}
}
