package mailgunmail_test

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"strings"
	"testing"

	"patchbay/adapters/simulators/mailgunsim"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

// copies returns a message with n personalizations.
func copies(n int) email.Message {
	m := letter()
	m.To, m.Text, m.TemplateID, m.Source = nil, "", "welcome", &template.Source{Name: "welcome"}
	for i := range n {
		m.Personalizations = append(m.Personalizations, email.Personalization{
			To:      []email.Address{{Email: fmt.Sprintf("reader-%d@example.com", i)}},
			Content: &template.Content{Subject: fmt.Sprint("Order ", i), Text: fmt.Sprint("Order ", i)},
		})
	}
	return m
}

// What Mailgun would not send as it is goes out alone, as MIME, in which Mailgun replaces nothing.
func TestTheOnlyCopyIsSentAsMIME(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	m := copies(1)
	m.Personalizations[0].To[0].Email = "reader+0@example.com"
	m.Personalizations[0].Content.Text = "%recipient.text% %unsubscribe_url%"
	if _, err := patient(t, sim).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, want := sim.Requests()[0].Path, "/v3/mg.example.com/messages.mime"; got != want {
		t.Errorf("path = %s, want %s", got, want)
	}
	got, err := mail.ReadMessage(bytes.NewReader(sim.Delivered()[0]))
	if err != nil {
		t.Fatal(err)
	}
	if to := got.Header.Get("To"); to != "<reader+0@example.com>" {
		t.Errorf("To = %q, want <reader+0@example.com>", to)
	}
	if subject := got.Header.Get("Subject"); subject != "Order 0" {
		t.Errorf("Subject = %q, want Order 0", subject)
	}
	if !bytes.Contains(sim.Delivered()[0], []byte("%recipient.text% %unsubscribe_url%")) {
		t.Errorf("message = %s, want the text as it was", sim.Delivered()[0])
	}
}

func TestACopyWithoutASubjectHasThatOfTheMessage(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2} {
		sim := mailgunsim.Start(t, mailgunsim.Options{})
		m := copies(n)
		m.Subject = "Grüße"
		m.Personalizations[n-1].Content.Subject = ""
		if _, err := patient(t, sim).Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		got, err := mail.ReadMessage(bytes.NewReader(sim.Delivered()[n-1]))
		if err != nil {
			t.Fatal(err)
		}
		if subject, _ := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject")); subject != "Grüße" {
			t.Errorf("of %d copies: Subject = %q, want Grüße", n, subject)
		}
	}
}

// A batch that Mailgun would not send as it is leaves the gateway only in other parts.
func TestABatchThatMailgunWouldChangeIsNotSent(t *testing.T) {
	t.Parallel()
	second := func(change func(p *email.Personalization)) func(*email.Message) {
		return func(m *email.Message) { change(&m.Personalizations[1]) }
	}
	tests := []struct {
		name, param string
		change      func(m *email.Message)
	}{
		{"a text with a variable of a recipient", "personalizations[1]", second(func(p *email.Personalization) { p.Content.Text = "Hello %recipient.name%" })},
		{"HTML with a variable of Mailgun's own", "personalizations[1]", func(m *email.Message) {
			m.Personalizations[0].Content.HTML, m.Personalizations[1].Content.HTML = "<p>", `<a href="%unsubscribe_url%">`
		}},
		{"a subject with the address", "personalizations", second(func(p *email.Personalization) { p.Content.Subject = "For %recipient_email%" })},
		{"a name with a variable", "personalizations", func(m *email.Message) { m.From.Name = "%recipient_fname%" }},
		{"metadata with a variable", "personalizations", func(m *email.Message) { m.Metadata = map[string]string{"to": "%recipient%"} }},
		{"a header with a variable", "personalizations", func(m *email.Message) { m.Headers = map[string]string{"X-A": "%mailing_list_unsubscribe_url%"} }},
		{"a control character", "personalizations[1]", second(func(p *email.Personalization) { p.Content.Text = "bell \a" })},
		{"bytes that are not UTF-8", "personalizations[1]", second(func(p *email.Personalization) { p.Content.Text = "\xff" })},
		{"a part that the first copy lacks", "personalizations[1]", second(func(p *email.Personalization) { p.Content.HTML = "<p>" })},
		{"no part that the first copy has", "personalizations[1]", second(func(p *email.Personalization) { p.Content.Text = "" })},
		{"an address with a +", "personalizations[1]", second(func(p *email.Personalization) { p.To[0].Email = "reader+1@example.com" })},
		{"a copy without content", "personalizations[1]", second(func(p *email.Personalization) { p.Content = nil })},
		{"headers that take more than 16 kB", "personalizations", func(m *email.Message) {
			m.Headers = map[string]string{}
			for i := range 17 {
				m.Headers[fmt.Sprint("X-", i)] = strings.Repeat("v", 998)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim := mailgunsim.Start(t, mailgunsim.Options{})
			m := copies(3)
			tt.change(&m)
			_, err := patient(t, sim).Send(t.Context(), m)
			if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Code != "not_mergeable" || f.Param != tt.param {
				t.Errorf("error = %v at %q, want invalid (not_mergeable) at %q", err, fault.From(err).Param, tt.param)
			}
			if n := len(sim.Requests()); n != 0 {
				t.Errorf("%d requests were made, want none", n)
			}
		})
	}
}

// The core splits what is invalid, but not what may have been sent already.
func TestABatchThatMayHaveBeenSentIsLeftToOtherProviders(t *testing.T) {
	t.Parallel()
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	m := copies(2)
	m.Personalizations[1].To[0].Email = "reader+1@example.com"
	m.Attempts = []email.Attempt{{ID: "att_1", Outcome: email.Ambiguous}, {ID: "att_2", Outcome: email.Attempting}}
	if _, err := patient(t, sim).Send(t.Context(), m); !fault.Is(err, fault.Unsupported) {
		t.Errorf("error = %v, want kind %v", err, fault.Unsupported)
	}
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("%d requests were made, want none", n)
	}
}

// Whatever Mailgun counts, the request is within 25 MB.
func TestABatchIsWithinTheSizeOfARequest(t *testing.T) {
	t.Parallel()
	sized := func(n, size int) email.Message {
		m := copies(n)
		for i := range m.Personalizations {
			m.Personalizations[i].Content.Text = strings.Repeat("x", size)
		}
		return m
	}
	sim := mailgunsim.Start(t, mailgunsim.Options{})
	mailer := patient(t, sim)
	if _, err := mailer.Send(t.Context(), sized(1000, 24_000)); err != nil {
		t.Errorf("24 MB: error = %v, want none", err)
	}
	if _, err := mailer.Send(t.Context(), sized(26, 1_000_000)); fault.From(err).Code != "not_mergeable" {
		t.Errorf("26 MB: error = %v, want the code not_mergeable", err)
	}
	if n := len(sim.Requests()); n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
}
