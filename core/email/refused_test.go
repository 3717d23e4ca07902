package email_test

import (
	"slices"
	"testing"

	"patchbay/core/email"
)

// A message that was handed over as MIME keeps its text, and its envelope loses who was refused.
func TestARefusedRecipientIsNotInTheEnvelopeOfMIME(t *testing.T) {
	t.Parallel()
	ada, eve, bob := email.Address{Email: "ada@example.com"}, email.Address{Email: "eve@example.com"}, email.Address{Email: "bob@example.com"}
	m := email.Message{
		To: []email.Address{ada}, Cc: []email.Address{eve}, Bcc: []email.Address{bob}, Envelope: &email.Envelope{},
		Attachments: []email.Attachment{email.MIMEFile([]byte("Cc: eve@example.com\r\n\r\nHello"))},
		Recipients:  []email.Recipient{{Email: ada.Email}, {Email: eve.Email}, {Email: bob.Email}},
	}
	if !m.Recipients[1].Refuse(email.Fate{Event: email.EventBounced}) || m.Recipients[1].Refuse(email.Fate{Event: email.EventBounced}) {
		t.Error("a recipient is refused anew twice, or never")
	}
	m.Suppress(nil) // of nobody, as before each attempt
	sent := m.WithoutSuppressed()
	if got := slices.Concat(sent.To, sent.Cc, sent.Bcc); !slices.Equal(got, []email.Address{ada, bob}) {
		t.Errorf("it is sent to %v, want Ada and Bob", got)
	}
	if string(sent.MIME()) != string(m.MIME()) {
		t.Errorf("the text is %q, want it as it came", sent.MIME())
	}
}
