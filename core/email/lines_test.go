package email_test

import (
	"slices"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

func copies(subject string) email.Message {
	return email.Message{Personalizations: []email.Personalization{
		{To: []email.Address{{Email: "ada@example.com", Name: "Ada Lovelace"}}, Content: &template.Content{Subject: subject}},
		{To: []email.Address{{Email: "eve@example.com", Name: "Eve"}}},
	}}
}

func TestLinesIncludeThoseOfThePersonalizations(t *testing.T) {
	t.Parallel()
	lines := copies("Order 17").Lines()
	for _, want := range []string{"ada@example.com", "Ada Lovelace", "eve@example.com", "Order 17"} {
		if !slices.Contains(lines, want) {
			t.Errorf("lines = %q, want %q in them", lines, want)
		}
	}
}

func TestALineBreakInASubjectOfACopyIsInvalid(t *testing.T) {
	t.Parallel()
	if err := copies("Order\r\nBcc: eve@example.com").CheckLines(); !fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want kind %v", err, fault.Invalid)
	}
}

func TestTheRecipientsOfCopiesAreRedacted(t *testing.T) {
	t.Parallel()
	if got, want := copies("").Redact("no such user: Lovelace, eve@example.com"), "no such user: […], […]"; got != want {
		t.Errorf("redacted = %q, want %q", got, want)
	}
}
