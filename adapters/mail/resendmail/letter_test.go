package resendmail_test

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// asked is a request that Resend got.
type asked struct{ line, key, authorization, body string }

// sent sends messages and returns the requests.
func sent(t *testing.T, messages ...email.Message) (all []asked) {
	t.Helper()
	m := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all = append(all, asked{r.Method + " " + r.URL.Path, r.Header.Get("Idempotency-Key"), r.Header.Get("Authorization"), strings.TrimSpace(string(body))})
		_, _ = io.WriteString(w, `{"id":"`+about.Reference+`"}`)
	})
	for _, one := range messages {
		receipt, err := m.Send(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		if receipt.Reference != about.Reference {
			t.Errorf("the reference is %q, want that of the answer", receipt.Reference)
		}
	}
	return all
}

func full() email.Message {
	m := message()
	m.Tenant = "acme"
	m.From.Name, m.To[0].Name = `Smith, John "Jack"`, "Ädä"
	m.To = append(m.To, email.Address{Email: "eve@bücher.example"})
	m.Cc = []email.Address{{Email: "cc@example.com"}, {Email: "ADA@example.com"}}
	m.Bcc = []email.Address{{Email: "audit@example.com"}}
	m.ReplyTo = []email.Address{{Email: "a@example.com"}, {Email: `"b..c"@example.com`}}
	m.HTML = "<p>Hello & welcome</p>"
	m.Headers = map[string]string{"X-Shop": "17 – ü"}
	m.Tags, m.Metadata = []string{"welcome", "trial"}, map[string]string{"order": "17"}
	m.Attachments = []email.Attachment{
		{Filename: "a.txt", ContentType: "text/plain", Content: []byte("Hello")},
		{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte{0, 1}},
	}
	return m
}

func TestARequestHasTheWholeMessage(t *testing.T) {
	t.Parallel()
	plain, html := message(), message()
	plain.Attempts = nil
	html.Text, html.HTML = "", "<p>Hello</p>"
	for _, c := range []struct {
		name string
		m    email.Message
		want asked
	}{
		{"the least", plain, asked{
			"POST /emails", "", "Bearer " + canary,
			`{"from":"shop@example.com","to":["ada@example.com"],"subject":"Hello","text":"Hello Ada","headers":{"Message-ID":"<msg_1@example.com>"},` +
				`"tags":[{"name":"patchbay_message","value":"msg_1"}]}`,
		}},
		{"HTML alone: no text is made of it", html, asked{
			"POST /emails", "att_1", "Bearer " + canary,
			`{"from":"shop@example.com","to":["ada@example.com"],"subject":"Hello","html":"<p>Hello</p>","text":"","headers":{"Message-ID":"<msg_1@example.com>"},` +
				`"tags":[{"name":"patchbay_attempt","value":"att_1"},{"name":"patchbay_message","value":"msg_1"}]}`,
		}},
		{"everything", full(), asked{
			"POST /emails", "att_1", "Bearer " + canary,
			`{"from":"\"Smith, John \\\"Jack\\\"\" <shop@example.com>","to":["\"Ädä\" <ada@example.com>","eve@xn--bcher-kva.example"],"cc":["cc@example.com"],` +
				`"bcc":["audit@example.com"],"reply_to":["a@example.com","\"b..c\"@example.com"],"subject":"Hello","html":"<p>Hello & welcome</p>","text":"Hello Ada",` +
				`"headers":{"Message-ID":"<msg_1@example.com>","X-Shop":"=?utf-8?q?17_=E2=80=93_=C3=BC?="},` +
				`"attachments":[{"filename":"a.txt","content":"SGVsbG8=","content_type":"text/plain"},{"filename":"logo.png","content":"AAE=","content_type":"image/png","content_id":"logo"}],` +
				`"tags":[{"name":"order","value":"17"},{"name":"patchbay_attempt","value":"att_1"},{"name":"patchbay_message","value":"msg_1"},` +
				`{"name":"patchbay_tenant","value":"acme"},{"name":"tag","value":"welcome"},{"name":"tag_2","value":"trial"}]}`,
		}},
	} {
		if got := sent(t, c.m)[0]; got != c.want {
			t.Errorf("%s: got\n%+v, want\n%+v", c.name, got, c.want)
		}
	}
}

// Resend refuses a key that it knows with another request. So what changes in a message while its
// attempt is repeated is no part of the request, and neither is any order that Go leaves open.
func TestARepeatIsTheSameRequest(t *testing.T) {
	t.Parallel()
	var all []email.Message
	for i := range 20 {
		m := full()
		m.Metadata = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
		m.Headers = maps.Clone(m.Metadata)
		m.Status, m.UpdatedAt, m.Failures = email.Sending, now.Add(time.Duration(i)*time.Hour), i
		m.Recipients = []email.Recipient{{Email: "ada@example.com", Status: email.Sending}}
		m.Attempts[0].Repeats, m.Attempts[0].Code = i, "no_answer"
		all = append(all, m)
	}
	if got := slices.Compact(sent(t, all...)); len(got) != 1 {
		t.Errorf("%d different requests, want 1:\n%+v", len(got), got)
	}
}

// A tenant and the id of a message in a batch may have a dot, which a tag may not.
func TestAnyMessageIsMarked(t *testing.T) {
	t.Parallel()
	m := message()
	m.ID, m.Tenant = "msg_1.0.2", "acme.eu"
	want := `"tags":[{"name":"patchbay_attempt","value":"att_1"},{"name":"patchbay_message_hex","value":"6d73675f312e302e32"},{"name":"patchbay_tenant_hex","value":"61636d652e6575"}]`
	if got := sent(t, m)[0].body; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What Resend cannot keep is refused, and not asked for.
func TestTagsThatResendCannotKeepAreUnsupported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tags     []string
		metadata map[string]string
		param    string // "" if it can
	}{
		"letters, digits, _ and -":            {[]string{"Welcome_2-b"}, map[string]string{"Order_2-b": "17-B_c"}, ""},
		"the longest":                         {nil, map[string]string{"a": strings.Repeat("v", 256)}, ""},
		"a tag with a space":                  {[]string{"a", "b c"}, nil, "tags"},
		"a tag in another script":             {[]string{"grüße"}, nil, "tags"},
		"a value with a dot":                  {nil, map[string]string{"price": "19.99"}, "metadata"},
		"a value that is empty":               {nil, map[string]string{"a": ""}, "metadata"},
		"a value that is longer":              {nil, map[string]string{"a": strings.Repeat("v", 257)}, "metadata"},
		"metadata with the name of a tag":     {nil, map[string]string{"tag": "a"}, "metadata"},
		"metadata with the name of another":   {nil, map[string]string{"tag_12": "a"}, "metadata"},
		"metadata whose name begins as a tag": {nil, map[string]string{"tagged": "a", "tag_x": "b"}, ""},
	} {
		m := message()
		m.Tags, m.Metadata = c.tags, c.metadata
		requests := 0
		mailer := served(t, func(w http.ResponseWriter, _ *http.Request) {
			requests++
			_, _ = io.WriteString(w, `{"id":"`+about.Reference+`"}`)
		})
		_, err := mailer.Send(t.Context(), m)
		if got := fault.From(err).Param; fault.Is(err, fault.Unsupported) != (c.param != "") || got != c.param {
			t.Errorf("%s: %v at %q, want unsupported at %q", name, err, got, c.param)
		}
		if (requests == 0) != (c.param != "") {
			t.Errorf("%s: %d requests, want some: %t", name, requests, c.param == "")
		}
	}
}

func TestAMessageThatCannotBeWrittenIsInvalidAndNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*email.Message){
		"a line break in the subject":   func(m *email.Message) { m.Subject = "Hello\r\nBcc: eve@example.com" },
		"an address that is none":       func(m *email.Message) { m.To[0].Email = "ada" },
		"a sender that is none":         func(m *email.Message) { m.From.Email = "shop" },
		"an attachment without a name":  func(m *email.Message) { m.Attachments = []email.Attachment{{ContentType: "text/plain"}} },
		"a reply-to address of no kind": func(m *email.Message) { m.ReplyTo = []email.Address{{Email: "@"}} },
	} {
		m := message()
		change(&m)
		mailer := served(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: there was a request, want none", name) })
		if _, err := mailer.Send(t.Context(), m); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}
