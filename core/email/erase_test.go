package email_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/tests/canary"
)

var (
	anybody = func(string) bool { return true }
	nobody  = func(string) bool { return false }

	// stays is what is left of a message's texts once it is erased: none of them
	// comes from a person, or says who it was.
	stays = []string{
		"Attempts.Account", "Attempts.Code", "Attempts.ID", "Attempts.Outcome", "Attempts.Provider", "Attempts.Reference",
		"Batch", "Category", "Change.ID", "Delivery", "Fingerprint", "ID", "Keeping", "Key", "MessageID", "Next",
		"Recipients.Fates.Attempt", "Recipients.Fates.Code", "Recipients.Fates.Event",
		"Recipients.Refused.Attempt", "Recipients.Refused.Code", "Recipients.Refused.Event", "Recipients.Status", "Recipients.Suppressed", "Status", "TemplateID", "Tenant", "Tracking",
	}
	// addresses stay where they are another's.
	addresses = []string{"Bcc", "Cc", "Envelope", "From", "Recipients", "ReplyTo", "To"}
)

// A field that is added to a message fails here, until it is either erased or found
// to be nobody's.
func TestNothingPersonalIsLeftInAnErasedMessage(t *testing.T) {
	t.Parallel()
	var m email.Message
	canary.Fill(&m)
	if !m.Concerns(anybody) || m.Concerns(nobody) {
		t.Error("whose it is is not told by the addresses")
	}
	now := time.Now()
	m.Erase(anybody, now)
	if left := canary.Left(&m); !slices.Equal(left, stays) {
		t.Errorf("left: %q\nwant: %q", left, stays)
	}
	if m.MessageID != m.ID+"@erased.invalid" { // the ID is a mark itself
		t.Errorf("Message-ID %q", m.MessageID)
	}
	if !m.ErasedAt.Equal(now) || m.To[0].Email != email.ErasedAddress || m.Recipients[0].Email != email.ErasedAddress {
		t.Errorf("%+v", m)
	}
	m.Erase(nobody, now.Add(time.Hour))
	if !m.ErasedAt.Equal(now) {
		t.Error("a second time moves the first")
	}
}

func TestTheAddressesOfOthersStay(t *testing.T) {
	t.Parallel()
	var m email.Message
	canary.Fill(&m)
	m.Personalizations = nil // a message with those for others is not erased
	m.Erase(nobody, time.Now())
	for _, path := range canary.Left(&m) {
		field, _, _ := strings.Cut(path, ".")
		if !slices.Contains(stays, path) && !slices.Contains(addresses, field) {
			t.Errorf("%s is left", path)
		}
	}
	if !m.Concerns(anybody) || m.To[0].Email == email.ErasedAddress {
		t.Errorf("%+v", m)
	}
}

func TestAMessageConcernsWhoeverHasAnAddressInIt(t *testing.T) {
	t.Parallel()
	ada := email.Address{Email: "ada@example.com"}
	is := func(email string) bool { return email == ada.Email }
	list := func() []email.Address { return []email.Address{{Email: "bob@example.com"}, ada} }
	for name, m := range map[string]email.Message{
		"from": {From: ada}, "to": {To: list()}, "cc": {Cc: list()}, "bcc": {Bcc: list()}, "reply to": {ReplyTo: list()},
		"the sender of the envelope": {Envelope: &email.Envelope{Sender: ada.Email}},
	} {
		if !m.Concerns(is) {
			t.Errorf("%s: not found", name)
		}
		m.Erase(is, time.Now())
		if m.Concerns(is) {
			t.Errorf("%s: found after it was erased", name)
		}
	}
}

func TestAPersonsCopiesAreErasedAndThoseForOthersStay(t *testing.T) {
	t.Parallel()
	ada := func(email string) bool { return email == "ada@example.com" }
	for _, tt := range []struct {
		name     string
		attempts []email.Attempt
		want     []string // the recipients
	}{
		{"nothing was sent", nil, []string{"bob@example.com"}},
		{"it was sent", []email.Attempt{{Outcome: email.Accepted}}, []string{email.ErasedAddress, "bob@example.com"}},
		{"it may have been sent", []email.Attempt{{Outcome: email.Ambiguous}}, []string{email.ErasedAddress, "bob@example.com"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := []email.Personalization{
				{Index: 0, To: []email.Address{{Email: "ada@example.com"}}, TemplateData: []byte(`{"n":1}`)},
				{Index: 1, To: []email.Address{{Email: "bob@example.com"}}, TemplateData: []byte(`{"n":2}`)},
			}
			m := email.Message{From: email.Address{Email: "shop@example.com"}, Personalizations: all, Recipients: email.RecipientsOf(all...), Attempts: tt.attempts}
			m.Erase(ada, time.Now())
			if m.Concerns(ada) {
				t.Error("Concerns = true, want false")
			}
			if len(m.Personalizations) != 1 || string(m.Personalizations[0].TemplateData) != `{"n":2}` {
				t.Errorf("personalizations = %+v, want the other's alone", m.Personalizations)
			}
			var left []string
			for _, r := range m.Recipients {
				left = append(left, r.Email)
			}
			if !slices.Equal(left, tt.want) {
				t.Errorf("recipients = %q, want %q", left, tt.want)
			}
			if !m.ErasedAt.IsZero() {
				t.Errorf("ErasedAt = %s, want none: the message is still for others", m.ErasedAt)
			}
		})
	}
}

func TestTheLastPersonsCopyErasesTheMessage(t *testing.T) {
	t.Parallel()
	all := []email.Personalization{{To: []email.Address{{Email: "ada@example.com"}}}}
	m := email.Message{Personalizations: all, Recipients: email.RecipientsOf(all...)}
	m.Erase(anybody, time.Now())
	if m.ErasedAt.IsZero() || len(m.Personalizations) > 0 {
		t.Errorf("ErasedAt = %s with %d personalizations, want the whole message erased", m.ErasedAt, len(m.Personalizations))
	}
}

// A copy of several recipients is not sent to any of them once it is erased for one.
func TestACopyThatAPersonSharesIsErasedForAll(t *testing.T) {
	t.Parallel()
	ada := func(email string) bool { return email == "ada@example.com" }
	shared := email.Personalization{Index: 0, To: []email.Address{{Email: "ada@example.com"}, {Email: "friend@example.com"}}}
	other := email.Personalization{Index: 1, To: []email.Address{{Email: "bob@example.com"}}}
	sent := []email.Attempt{{Outcome: email.Accepted}}
	for _, tt := range []struct {
		name     string
		copies   []email.Personalization
		attempts []email.Attempt
		erased   bool
		want     []string // the recipients
	}{
		{"beside one for another", []email.Personalization{shared, other}, nil, false, []string{"bob@example.com"}},
		{"beside one for another, once it was sent", []email.Personalization{shared, other}, sent, false, []string{email.ErasedAddress, "friend@example.com", "bob@example.com"}},
		{"alone", []email.Personalization{shared}, nil, true, []string{email.ErasedAddress, "friend@example.com"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := email.Message{Personalizations: tt.copies, Recipients: email.RecipientsOf(tt.copies...), Attempts: tt.attempts}
			m.Erase(ada, time.Now())
			var left []string
			for _, r := range m.Recipients {
				left = append(left, r.Email)
			}
			if !slices.Equal(left, tt.want) {
				t.Errorf("recipients = %q, want %q", left, tt.want)
			}
			if erased := !m.ErasedAt.IsZero(); erased != tt.erased {
				t.Errorf("the message is erased: %t, want %t", erased, tt.erased)
			}
			if m.Concerns(ada) {
				t.Error("Concerns = true, want false")
			}
		})
	}
}

// What a provider answered may name whom it refused.
func TestWhatProvidersSaidOfAPersonsCopyIsErased(t *testing.T) {
	t.Parallel()
	all := []email.Personalization{{Index: 0, To: []email.Address{{Email: "ada@example.com"}}}, {Index: 1, To: []email.Address{{Email: "bob@example.com"}}}}
	m := email.Message{Personalizations: all, Recipients: email.RecipientsOf(all...), Attempts: []email.Attempt{{
		Outcome: email.NotAccepted, Code: "rejected", Message: "ada is not known", Answer: &fault.Answer{Status: 400, Words: "ada is not known"},
	}}}
	m.Erase(func(email string) bool { return email == "ada@example.com" }, time.Now())
	if a := m.Attempts[0]; a.Message != "" || a.Answer != nil || a.Code != "rejected" {
		t.Errorf("the attempt says %+v, want its code alone", a)
	}
}
