package mailgunmail_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/adapters/httpclient"
	"patchbay/adapters/mail/mailgunmail"
	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// patient waits as long as a large message takes.
func patient(t *testing.T, sim *mailgunsim.Sim) *mailgunmail.Mailer {
	t.Helper()
	m, err := mailgunmail.New(mailgunmail.Options{
		Name: "mailgun", Domain: sim.Domain(), APIKey: sim.Key(), HTTP: httpclient.Options{BaseURL: sim.URL(), Timeout: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// full has all that a message may have.
func full() email.Message {
	one := letter()
	one.CreatedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	one.To = append(one.To, email.Address{Email: "eve@bücher.example"})
	one.Cc = []email.Address{{Email: "cc@example.com", Name: "C, C"}}
	one.Bcc = []email.Address{{Email: "bcc@bücher.example"}}
	one.ReplyTo = []email.Address{{Email: "r1@example.com", Name: "R"}, {Email: "r2@example.com"}}
	one.HTML = "<p>Hello %recipient.name% {{name}} ü</p>"
	one.Headers = map[string]string{"X-A": "v"}
	one.Tags = []string{"a", "b", "c"}
	one.Metadata = map[string]string{"order": `{"n": 17}`, "note": "\"quoted\" \\n <ü>"}
	one.Attachments = []email.Attachment{{Filename: "a.pdf", ContentType: "application/pdf", Content: []byte("%PDF")}}
	return one
}

// Whom it goes to and what is kept with it stand beside the message; the message
// itself is one for all, and tells nobody of the bcc.
func TestAllOfAMessageIsSaid(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	one := full()
	if _, err := patient(t, sim).Send(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	sent := sim.Messages()[0]
	everybody := []string{"ada@example.com", "eve@xn--bcher-kva.example", "cc@example.com", "bcc@xn--bcher-kva.example"}
	kept := map[string]string{email.IDVariable: one.ID, "order": one.Metadata["order"], "note": one.Metadata["note"]}
	if !slices.Equal(sent.To, everybody) || !maps.Equal(sent.Variables, kept) {
		t.Errorf("sent to %q with %q, want %q with %q", sent.To, sent.Variables, everybody, kept)
	}
	m, err := mail.ReadMessage(bytes.NewReader(sent.Raw))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Message-Id": "<msg_1@example.com>", "Date": "Sun, 01 Mar 2026 12:00:00 +0000", "Cc": `"C, C" <cc@example.com>`,
		"To": `<ada@example.com>, <eve@xn--bcher-kva.example>`, "Reply-To": `"R" <r1@example.com>, <r2@example.com>`, "X-A": "v",
	} {
		if got := m.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for _, private := range []string{"bcc@", email.IDVariable, "17}", "X-Tag"} {
		if bytes.Contains(sent.Raw, []byte(private)) {
			t.Errorf("sent\n%s\nwant it without %q", sent.Raw, private)
		}
	}
	if !reflect.DeepEqual(one, full()) {
		t.Errorf("the message became %+v, want it unchanged", one)
	}
}

// The library counts ten more than there are where it is asked to add one.
func TestAThousandRecipientsAreTaken(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	one := letter()
	for i := range email.MaxRecipients - 1 {
		one.Bcc = append(one.Bcc, email.Address{Email: fmt.Sprintf("u%d@example.com", i)})
	}
	if _, err := patient(t, sim).Send(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if letters := sim.Messages(); len(letters) != 1 || len(letters[0].To) != email.MaxRecipients {
		t.Errorf("%d messages, want one to %d", len(letters), email.MaxRecipients)
	}
}

// The most that Features declares is within what Mailgun takes.
func TestWhatFeaturesDeclareIsTaken(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	m := patient(t, sim)
	f := m.Features()
	one := full()
	one.Tags = nil
	for i := range f.Tags {
		one.Tags = append(one.Tags, strings.Repeat(fmt.Sprint(i), 128))
	}
	one.Metadata = map[string]string{}
	for i := range 15 {
		name := fmt.Sprintf("%040d", i)
		one.Metadata[name] = strings.Repeat("é", (f.MaxMetadata/15-len(name))/2)
	}
	for i := range 30 {
		one.Headers[fmt.Sprint("X-", i)] = strings.Repeat("v", 998)
	}
	one.HTML, one.Text = strings.Repeat("é", 1<<18), strings.Repeat("é", 1<<18) // 1 MB, three times that when it is encoded
	half := bytes.Repeat([]byte{0xff}, f.MaxAttachments/2)
	one.Attachments = []email.Attachment{
		{Filename: "a.bin", ContentType: "application/octet-stream", Content: half},
		{Filename: "b.bin", ContentType: "application/octet-stream", Content: half},
	}
	if _, err := m.Send(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if n := len(sim.Delivered()); n != 1 {
		t.Errorf("%d messages were delivered, want 1", n)
	}
}

func TestMoreThanFeaturesDeclareIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	m := patient(t, sim)
	f := m.Features()
	for param, use := range map[string]func(*email.Message){
		"tags":     func(one *email.Message) { one.Tags = make([]string, f.Tags+1) },
		"metadata": func(one *email.Message) { one.Metadata = map[string]string{"a": strings.Repeat("v", f.MaxMetadata)} },
		"attachments": func(one *email.Message) {
			one.Attachments = []email.Attachment{{Content: make([]byte, f.MaxAttachments+1)}}
		},
	} {
		one := letter()
		use(&one)
		_, err := m.Send(t.Context(), one)
		if e := fault.From(err); e.Kind != fault.Unsupported || e.Param != param {
			t.Errorf("error = %v, want unsupported at %q", err, param)
		}
	}
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("%d requests, want none", n)
	}
}
