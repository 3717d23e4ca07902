package sesmail_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/mail/sesmail"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// asked is a request that SES got.
type asked struct {
	line, authorization, token string
	body                       map[string]any
}

// sent sends a message and returns the request.
func sent(t *testing.T, m email.Message, changes ...func(*sesmail.Options)) asked {
	t.Helper()
	var got asked
	mailer := served(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = asked{r.Method + " " + r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"), nil}
		if err := json.Unmarshal(body, &got.body); err != nil {
			t.Errorf("the request is %s: %v, want JSON", body, err)
		}
		_, _ = io.WriteString(w, `{"MessageId":"`+messages+`"}`)
	}, changes...)
	receipt, err := mailer.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Reference != messages {
		t.Errorf("the reference is %q, want that of the answer", receipt.Reference)
	}
	return got
}

// without returns the body without the content, in JSON.
func (a asked) without(t *testing.T) string {
	t.Helper()
	rest := maps.Clone(a.body)
	delete(rest, "Content")
	return text(t, rest)
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// raw returns the MIME of a request.
func (a asked) raw(t *testing.T) string {
	t.Helper()
	content, _ := a.body["Content"].(map[string]any)
	raw, _ := content["Raw"].(map[string]any)
	data, _ := raw["Data"].(string)
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil || len(decoded) == 0 {
		t.Fatalf("the content is %v, want MIME in base64", content)
	}
	return string(decoded)
}

func full() email.Message {
	m := message()
	m.ID, m.Tenant = "msg_1.2", "acme"
	m.From.Name, m.To[0].Name = `Smith, John "Jack"`, "Ädä"
	m.To = append(m.To, email.Address{Email: "eve@bücher.example"})
	m.Cc = []email.Address{{Email: "cc@example.com"}, {Email: "ADA@example.com"}}
	m.Bcc = []email.Address{{Email: "audit@example.com"}}
	m.ReplyTo = []email.Address{{Email: "a@example.com", Name: "Grüße"}, {Email: `"b..c"@example.com`}}
	m.Headers = map[string]string{"X-Shop": "17 – ü"}
	m.Tags, m.Metadata = []string{"welcome", "trial"}, map[string]string{"order": "17"}
	return m
}

// From and Reply-To are not beside the raw message: they would take the place of its own.
func TestARequestHasWhatStandsBesideTheMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		m      email.Message
		change func(*sesmail.Options)
		want   string
	}{
		{
			"the least", message(), func(*sesmail.Options) {},
			`{"Destination":{"ToAddresses":["ada@example.com"]},"EmailTags":[{"Name":"patchbay_attempt","Value":"att_1"},{"Name":"patchbay_message","Value":"msg_1"}]}`,
		},
		{
			"everything", full(), func(o *sesmail.Options) {
				o.ConfigurationSet, o.FromARN = "shop", "arn:aws:ses:eu-west-1:123456789012:identity/example.com"
			},
			`{"ConfigurationSetName":"shop","Destination":{"BccAddresses":["audit@example.com"],"CcAddresses":["cc@example.com"],` +
				`"ToAddresses":["ada@example.com","eve@xn--bcher-kva.example"]},"EmailTags":[{"Name":"order","Value":"17"},{"Name":"patchbay_attempt","Value":"att_1"},` +
				`{"Name":"patchbay_message_hex","Value":"6d73675f312e32"},{"Name":"patchbay_tenant","Value":"acme"},{"Name":"tag","Value":"welcome"},{"Name":"tag_2","Value":"trial"}],` +
				`"FromEmailAddressIdentityArn":"arn:aws:ses:eu-west-1:123456789012:identity/example.com"}`,
		},
	} {
		got := sent(t, c.m, c.change)
		if got.line != "POST /v2/email/outbound-emails" {
			t.Errorf("%s: asked %s, want POST /v2/email/outbound-emails", c.name, got.line)
		}
		if rest := got.without(t); rest != c.want {
			t.Errorf("%s: got\n%s, want\n%s", c.name, rest, c.want)
		}
		if raw := got.raw(t); !strings.Contains(raw, "Subject: Hello\r\n") || strings.Contains(raw, "audit@") {
			t.Errorf("%s: the message is\n%s, want its subject, and no hidden recipient", c.name, raw)
		}
	}
}

func TestARequestIsSignedForTheRegionOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "temporary"} {
		got := sent(t, message(), func(o *sesmail.Options) { o.SessionToken = token })
		want := "AWS4-HMAC-SHA256 Credential=" + keyID + "/20260301/eu-west-1/ses/aws4_request, "
		if !strings.HasPrefix(got.authorization, want) || got.token != token {
			t.Errorf("signed %q with the token %q, want %q… and %q", got.authorization, got.token, want, token)
		}
	}
}

func TestARegionHasAnAddress(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"eu-west-1": "https://email.eu-west-1.amazonaws.com", "us-gov-west-1": "https://email.us-gov-west-1.amazonaws.com", "cn-north-1": "https://email.cn-north-1.amazonaws.com.cn",
	} {
		if got := sesmail.Endpoint(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

func stored(o *sesmail.Options) { o.Templates = map[string]string{"welcome": "Welcome_2026"} }

// templated is a message that is made from a stored template.
func templated(data string) email.Message {
	m := message()
	m.Subject, m.Text, m.TemplateID, m.TemplateData = "", "", "welcome", json.RawMessage(data)
	return m
}

func TestAMessageFromAStoredTemplateNamesIt(t *testing.T) {
	t.Parallel()
	m := full()
	m.Subject, m.Text, m.TemplateID, m.TemplateData = "", "", "welcome", json.RawMessage(`{"n":12345678901234567890,"html":"<b>"}`)
	m.Attachments = []email.Attachment{
		{Filename: "ä.txt", ContentType: "text/plain", Content: []byte("Hello")},
		{Filename: "logo.png", ContentType: "image/png", ContentID: "logo", Content: []byte{0, 1}},
	}
	got := sent(t, m, stored)
	want := `{"Template":{"Attachments":[` +
		`{"ContentDisposition":"ATTACHMENT","ContentTransferEncoding":"BASE64","ContentType":"text/plain","FileName":"ä.txt","RawContent":"SGVsbG8="},` +
		`{"ContentDisposition":"INLINE","ContentId":"logo","ContentTransferEncoding":"BASE64","ContentType":"image/png","FileName":"logo.png","RawContent":"AAE="}],` +
		`"Headers":[{"Name":"X-Shop","Value":"=?utf-8?q?17_=E2=80=93_=C3=BC?="}],"TemplateData":"{\"n\":12345678901234567890,\"html\":\"\u003cb\u003e\"}","TemplateName":"Welcome_2026"}}`
	if content := text(t, got.body["Content"]); content != want {
		t.Errorf("content\n%s, want\n%s", content, want)
	}
	if from := got.body["FromEmailAddress"]; from != `"Smith, John \"Jack\"" <shop@example.com>` {
		t.Errorf("from %v, want it with its name", from)
	}
	if to := text(t, got.body["Destination"]); to != `{"BccAddresses":["\u003caudit@example.com\u003e"],"CcAddresses":["\u003ccc@example.com\u003e"],"ToAddresses":["=?utf-8?q?=C3=84d=C3=A4?= \u003cada@example.com\u003e","\u003ceve@xn--bcher-kva.example\u003e"]}` {
		t.Errorf("to %s, want each recipient once, with the name encoded", to)
	}
}

// What SES would render otherwise than it is rendered here goes as it was rendered here, if it was.
func TestAStoredTemplateIsNotUsedWhereSESWouldRenderItOtherwise(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("v", 900)
	for name, c := range map[string]struct {
		data     string
		change   func(*email.Message)
		rendered bool // the message goes as it was rendered here
		param    string
	}{
		"data that need no escapes":      {`{"name":"Ädä","n":[1,{"a":null}]}`, nil, false, ""},
		"data that SES would not escape": {`{"list":[{"name":"<b>"}]}`, nil, true, ""},
		"an apostrophe":                  {`{"name":"O'Brien"}`, nil, true, ""},
		"a header that is too long":      {`{}`, func(m *email.Message) { m.Headers = map[string]string{"X-A": long} }, true, "headers"},
		"an attached message, not in base64": {`{}`, func(m *email.Message) {
			m.Attachments = []email.Attachment{{Filename: "a.eml", ContentType: "message/rfc822", Content: []byte("A: b\r\n\r\nc")}}
		}, true, "attachments"},
		"a content type that is too long": {`{}`, func(m *email.Message) {
			m.Attachments = []email.Attachment{{Filename: "a", ContentType: "text/plain; a=" + long, Content: []byte("a")}}
		}, true, "attachments"},
		"more headers than a template may have": {`{}`, func(m *email.Message) {
			m.Headers = map[string]string{}
			for i := range 16 {
				m.Headers["X-"+strings.Repeat("A", i+1)] = "a"
			}
		}, true, "headers"},
		"data that are too long": {`{"a":"` + strings.Repeat("v", 262_144) + `"}`, nil, true, "templateData"},
	} {
		m := templated(c.data)
		if c.change != nil {
			c.change(&m)
		}
		local := m
		local.Subject, local.Text = "Hello", "rendered here"
		content, _ := sent(t, local, stored).body["Content"].(map[string]any)
		if (content["Raw"] != nil) != c.rendered || (content["Template"] != nil) == c.rendered {
			t.Errorf("%s: sent as it was rendered here: %t, want %t", name, content["Raw"] != nil, c.rendered)
		}
		if c.param == "" {
			sent(t, m, stored) // SES alone has the template
			continue
		}
		mailer := served(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: there was a request, want none", name) }, stored)
		if _, err := mailer.Send(t.Context(), m); !fault.Is(err, fault.Unsupported) || fault.From(err).Param != c.param {
			t.Errorf("%s: %v, want unsupported at %q", name, err, c.param)
		}
	}
}

// Recipients come from the envelope, and the text stays as it was handed over.
func TestAMessageThatWasHandedOverStaysAsItIs(t *testing.T) {
	t.Parallel()
	const mime = "From: Shop <shop@example.com>\r\nTo: all@example.com\r\nDate: Sun, 1 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\nReply-To: help@example.com\r\n\r\nGrüße\r\n"
	m := message()
	m.To, m.Bcc, m.Text, m.Subject = nil, []email.Address{{Email: "ada@example.com"}}, "", ""
	m.Envelope, m.Attachments = &email.Envelope{Sender: "bounces@example.com"}, []email.Attachment{email.MIMEFile([]byte(mime))}
	got := sent(t, m)
	if raw := got.raw(t); raw != mime {
		t.Errorf("sent %q, want %q", raw, mime)
	}
	if to := text(t, got.body["Destination"]); to != `{"BccAddresses":["ada@example.com"]}` || got.body["FromEmailAddress"] != nil || got.body["ReplyToAddresses"] != nil {
		t.Errorf("to %s, from %v, replies to %v, want the recipients of the envelope alone", to, got.body["FromEmailAddress"], got.body["ReplyToAddresses"])
	}
}

func TestAMessageThatCannotBeWrittenIsInvalidAndNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*email.Message){
		"a line break in the subject": func(m *email.Message) { m.Subject = "Hello\r\nBcc: eve@example.com" },
		"an address that is none":     func(m *email.Message) { m.To[0].Email = "ada" },
		"a sender that is none":       func(m *email.Message) { m.From.Email = "shop" },
		"data that are no object":     func(m *email.Message) { m.TemplateID, m.TemplateData = "welcome", json.RawMessage(`[1]`) },
		"data that are null":          func(m *email.Message) { m.TemplateID, m.TemplateData = "welcome", json.RawMessage(`null`) },
		"a file without a name": func(m *email.Message) {
			m.TemplateID, m.Attachments = "welcome", []email.Attachment{{ContentType: "text/plain", Content: []byte("a")}}
		},
		"a template from a bad sender": func(m *email.Message) { m.TemplateID, m.From.Email = "welcome", "@" },
	} {
		m := message()
		change(&m)
		mailer := served(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: there was a request, want none", name) }, stored)
		if _, err := mailer.Send(t.Context(), m); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}
