package mailgunsim_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/mail"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/simulators/mailbox"
	"patchbay/adapters/simulators/mailgunsim"
)

// submit sends a form, without files as curl's -d does and otherwise as its -F does.
func submit(t *testing.T, s *mailgunsim.Sim, key string, fields url.Values, files ...[2]string) (status int, answer string) {
	t.Helper()
	body, contentType := bytes.NewBufferString(fields.Encode()), "application/x-www-form-urlencoded"
	if files != nil {
		body = new(bytes.Buffer)
		w := multipart.NewWriter(body)
		for name, values := range fields {
			for _, v := range values {
				_ = w.WriteField(name, v) // a buffer does not fail
			}
		}
		for _, f := range files {
			part, _ := w.CreatePart(textproto.MIMEHeader{
				"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, f[0], f[1])}, "Content-Type": {"image/png"},
			})
			_, _ = io.WriteString(part, "PNG")
		}
		_ = w.Close()
		contentType = w.FormDataContentType()
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v3/"+s.Domain()+"/messages", body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("api", key)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// simple returns a form that is accepted, with some fields changed. A field without values is
// removed.
func simple(change url.Values) url.Values {
	form := url.Values{"from": {"Shop <shop@example.com>"}, "to": {"ada@example.com"}, "subject": {"Hello"}, "text": {"Hello Ada"}}
	for name, values := range change {
		if form[name] = values; values == nil {
			delete(form, name)
		}
	}
	return form
}

// accepted submits a form to a new domain, and returns what was delivered.
func accepted(t *testing.T, fields url.Values, files ...[2]string) []mailbox.Message {
	t.Helper()
	s := mailgunsim.Start(t, mailgunsim.Options{})
	status, answer := submit(t, s, s.Key(), fields, files...)
	if status != http.StatusOK || !strings.Contains(answer, `"Queued. Thank you."`) {
		t.Fatalf("status = %d with %s, want 200 with \"Queued. Thank you.\"", status, answer)
	}
	return s.Messages()
}

func header(t *testing.T, m mailbox.Message) mail.Header {
	t.Helper()
	read, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return read.Header
}

func TestAFormIsDeliveredAsMIME(t *testing.T) {
	t.Parallel()
	all := accepted(t, simple(url.Values{
		"to": {"Ada <ada@example.com>, bob@example.com", "cy@example.com"}, "cc": {"dee@example.com"}, "bcc": {"eve@example.com"},
		"html": {"<p>Hello Ada"}, "h:X-Order": {"17"}, "h:Reply-To": {"help@example.com"}, "v:order": {"17"}, "o:tag": {"a", "b"},
	}))
	if len(all) != 1 {
		t.Fatalf("%d messages were delivered, want 1", len(all))
	}
	m, h := all[0], header(t, all[0])
	if want := []string{"ada@example.com", "bob@example.com", "cy@example.com", "dee@example.com", "eve@example.com"}; !slices.Equal(m.To, want) {
		t.Errorf("recipients = %q, want %q", m.To, want)
	}
	for name, want := range map[string]string{
		"From": `"Shop" <shop@example.com>`, "To": `"Ada" <ada@example.com>, <bob@example.com>, <cy@example.com>`, "Cc": "<dee@example.com>", "Bcc": "",
		"Subject": "Hello", "X-Order": "17", "Reply-To": "help@example.com", "Message-Id": "<" + m.Reference + ">",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if _, err := h.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	for _, want := range []string{"Hello Ada", "<p>Hello Ada", "multipart/alternative"} {
		if !strings.Contains(string(m.Raw), want) {
			t.Errorf("%q is not in the message:\n%s", want, m.Raw)
		}
	}
	if m.Variables["order"] != "17" {
		t.Errorf("variables = %v, want order: 17", m.Variables)
	}
	if want := []string{"a", "b"}; !slices.Equal(m.Tags, want) {
		t.Errorf("tags = %q, want %q", m.Tags, want)
	}
}

func TestTheFilesOfAFormAreInTheMessage(t *testing.T) {
	t.Parallel()
	all := accepted(t, simple(nil), [2]string{"attachment", "invoice.png"}, [2]string{"inline", "logo.png"})
	for _, want := range []string{`attachment; filename=invoice.png`, `inline; filename=logo.png`, "<logo.png>"} {
		if !strings.Contains(string(all[0].Raw), want) {
			t.Errorf("%q is not in the message:\n%s", want, all[0].Raw)
		}
	}
}

func TestATemplateIsKeptAsItWasGiven(t *testing.T) {
	t.Parallel()
	all := accepted(t, simple(url.Values{"text": nil, "template": {"welcome"}, "t:version": {"2"}, "t:variables": {`{"name": "Ada"}`}}))
	switch got := all[0].Template; {
	case got == nil:
		t.Error("there is no template")
	case got.Name != "welcome" || got.Version != "2" || string(got.Variables) != `{"name": "Ada"}`:
		t.Errorf("template = %+v, want welcome, version 2, with the variable name", got)
	}
}

func TestABatchIsOneMessageForEachRecipient(t *testing.T) {
	t.Parallel()
	all := accepted(t, simple(url.Values{
		"to": {"ada@example.com, bob@example.com"}, "subject": {"Hello %recipient.name%"}, "text": {"No. %recipient.n%"},
		"recipient-variables": {`{"ada@example.com": {"name": "Ada", "n": 1}, "bob@example.com": {"name": "Bob", "n": 2}}`},
	}))
	if len(all) != 2 {
		t.Fatalf("%d messages were delivered, want 2", len(all))
	}
	for i, want := range []struct{ to, subject, text, variables string }{
		{"<ada@example.com>", "Hello Ada", "No. 1", `{"name": "Ada", "n": 1}`}, {"<bob@example.com>", "Hello Bob", "No. 2", `{"name": "Bob", "n": 2}`},
	} {
		h := header(t, all[i])
		if h.Get("To") != want.to {
			t.Errorf("message %d: To = %q, want %q", i, h.Get("To"), want.to)
		}
		if h.Get("Subject") != want.subject {
			t.Errorf("message %d: subject = %q, want %q", i, h.Get("Subject"), want.subject)
		}
		if !strings.Contains(string(all[i].Raw), want.text) {
			t.Errorf("message %d has no text %q:\n%s", i, want.text, all[i].Raw)
		}
		if string(all[i].RecipientVariables) != want.variables {
			t.Errorf("message %d: variables = %s, want %s", i, all[i].RecipientVariables, want.variables)
		}
	}
}

func TestAFormThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]url.Values{
		"no recipient":                       {"to": nil},
		"no sender":                          {"from": nil},
		"two senders":                        {"from": {"a@example.com, b@example.com"}},
		"neither a text nor a template":      {"text": nil},
		"an invalid address":                 {"cc": {"ada"}},
		"a domain in another script":         {"to": {"ada@bücher.example"}},
		"too many recipients":                {"bcc": {strings.Repeat("ada@example.com, ", 999) + "bob@example.com"}},
		"four tags":                          {"o:tag": {"a", "b", "c", "d"}},
		"a variable twice":                   {"v:order": {"17", "18"}},
		"an unknown parameter":               {"colour": {"red"}},
		"a header with its own field":        {"h:to": {"eve@example.com"}},
		"template variables that are a list": {"template": {"welcome"}, "t:variables": {"[1]"}},
		"recipient variables without JSON":   {"recipient-variables": {"ada"}},
		"a recipient of a batch twice":       {"to": {"ada@example.com, Ada@example.com"}, "recipient-variables": {"{}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailgunsim.Start(t, mailgunsim.Options{})
			status, answer := submit(t, s, s.Key(), simple(change))
			if status != http.StatusBadRequest {
				t.Errorf("status = %d with %s, want 400", status, answer)
			}
			if n := len(s.Messages()); n != 0 {
				t.Errorf("%d messages were delivered, want none", n)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		s := mailgunsim.Start(t, mailgunsim.Options{})
		if status, answer := submit(t, s, "key-other", simple(nil)); status != http.StatusUnauthorized {
			t.Errorf("status = %d with %s, want 401", status, answer)
		}
	})
	t.Run("a sender that is not allowed", func(t *testing.T) {
		t.Parallel()
		s := mailgunsim.Start(t, mailgunsim.Options{Senders: []string{"other@example.com"}})
		if status, answer := submit(t, s, s.Key(), simple(nil)); status != http.StatusBadRequest {
			t.Errorf("status = %d with %s, want 400", status, answer)
		}
	})
}

func TestAFormInTestModeIsNotDelivered(t *testing.T) {
	t.Parallel()
	if all := accepted(t, simple(url.Values{"o:testmode": {"yes"}})); len(all) != 0 {
		t.Errorf("%d messages were delivered, want none", len(all))
	}
}

// Mailgun adds both headers.
func TestMIMEWithoutDateAndMessageIDGetsThem(t *testing.T) {
	t.Parallel()
	s := mailgunsim.Start(t, mailgunsim.Options{})
	bare := "From: shop@example.com\r\nTo: ada@example.com\r\nSubject: Hello\r\n\r\nHello\r\n"
	if status, answer := (form{"/v3/" + s.Domain() + "/messages.mime", s.Key(), good, bare}).send(t, s); status != http.StatusOK {
		t.Fatalf("status = %d with %s, want 200", status, answer)
	}
	h := header(t, s.Messages()[0])
	if _, err := h.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
	if h.Get("Message-Id") == "" {
		t.Error("there is no Message-Id")
	}
}
