package email_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/tests/canary"
)

var (
	anybody = func(string) bool { return true }
	nobody  = func(string) bool { return false }

	// stays is what is left of a message's texts once it is erased: none of them
	// comes from a person, or says who it was.
	stays = []string{
		"Attempts.Code", "Attempts.ID", "Attempts.Outcome", "Attempts.Provider", "Attempts.Reference",
		"Delivery", "Fingerprint", "ID", "Key", "MessageID", "Next",
		"Recipients.Fates.Attempt", "Recipients.Fates.Code", "Recipients.Fates.Event", "Recipients.Status", "Status", "TemplateID", "Tenant",
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
