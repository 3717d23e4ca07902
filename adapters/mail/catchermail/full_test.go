package catchermail

import (
	"os"
	"testing"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// A disk that is full says nothing of the message: it is tried again, and not refused.
func TestAFullDiskIsNotTheMessagesFault(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := email.Message{
		ID: "msg_a", MessageID: "msg_a@example.com", From: email.Address{Email: "shop@example.com"}, To: []email.Address{{Email: "ada@example.com"}},
		Subject: "s", Text: "t", Attachments: []email.Attachment{{Filename: "a", ContentType: "text/plain", Content: make([]byte, 1<<20)}},
	}
	if err := writeTo(f, m); err == nil || fault.Is(err, fault.Invalid) {
		t.Errorf("error = %v, want one of another kind than %v", err, fault.Invalid)
	}
}
