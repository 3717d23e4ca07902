package sendgridsim

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/simulators/mailbox"
	"patchbay/core/email"
)

// The limits of the API, from the section "Limitations" of "Mail Send".
const (
	maxBytes      = 30 << 20
	maxRecipients = 1000
	maxCategories = 10
	maxArguments  = 10_000
	maxAhead      = 72 * time.Hour
)

// letter contains the request fields that Patchbay may use. Any other field is refused.
type letter struct {
	From             party             `json:"from"`
	Subject          string            `json:"subject"`
	Personalizations []personalization `json:"personalizations"`
	Content          []content         `json:"content"`
	Attachments      []attachment      `json:"attachments"`
	Headers          map[string]string `json:"headers"`
	Categories       []string          `json:"categories"`
	ReplyTo          *party            `json:"reply_to"`
	ReplyToList      []party           `json:"reply_to_list"`
	SendAt           int64             `json:"send_at"`
	TemplateID       string            `json:"template_id"`
	TrackingSettings *trackingSettings `json:"tracking_settings"`
	MailSettings     struct {
		SandboxMode struct {
			Enable bool `json:"enable"`
		} `json:"sandbox_mode"`
	} `json:"mail_settings"`
}

// trackingSettings say what is tracked.
type trackingSettings struct {
	Clicks struct {
		Enable     *bool `json:"enable"`
		EnableText *bool `json:"enable_text"`
	} `json:"click_tracking"`
	Opens struct {
		Enable *bool `json:"enable"`
	} `json:"open_tracking"`
}

// tracking returns on or off if all settings are the same, and otherwise what they are.
func (l letter) tracking() string {
	if l.TrackingSettings == nil {
		return ""
	}
	words := map[string]bool{}
	for _, enable := range []*bool{l.TrackingSettings.Clicks.Enable, l.TrackingSettings.Clicks.EnableText, l.TrackingSettings.Opens.Enable} {
		switch {
		case enable == nil:
			words["absent"] = true
		case *enable:
			words["on"] = true
		default:
			words["off"] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(words)), " and ")
}

type personalization struct {
	To         []party           `json:"to"`
	Cc         []party           `json:"cc"`
	Bcc        []party           `json:"bcc"`
	Subject    string            `json:"subject"`
	Headers    map[string]string `json:"headers"`
	CustomArgs map[string]string `json:"custom_args"`
	// TemplateData is a JSON object, for a dynamic template.
	TemplateData json.RawMessage `json:"dynamic_template_data"`
}

type party struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type content struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type attachment struct {
	Content     string `json:"content"`
	Type        string `json:"type"`
	Filename    string `json:"filename"`
	Disposition string `json:"disposition"`
	ContentID   string `json:"content_id"`
}

// wrong is an error in a request, as SendGrid describes it.
type wrong struct{ message, field string }

func parse(body []byte) (letter, *wrong) {
	var l letter
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return l, &wrong{"Bad Request: " + err.Error(), ""}
	}
	return l, nil
}

// reserved are the headers that a request may not override.
var reserved = []string{
	"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding",
	"to", "from", "subject", "reply-to", "cc", "bcc",
}

func (l letter) check() *wrong {
	recipients := 0
	for i, p := range l.Personalizations {
		if bad := p.check(fmt.Sprintf("personalizations.%d", i), l.Subject, l.dynamic()); bad != nil {
			return bad
		}
		recipients += len(p.To) + len(p.Cc) + len(p.Bcc)
	}
	switch {
	case len(l.Personalizations) == 0:
		return &wrong{"The personalizations field is required and must have at least one personalization.", "personalizations"}
	case len(l.Personalizations) > 1000 || recipients > maxRecipients:
		return &wrong{"The total number of recipients must be at most 1000.", "personalizations"}
	case l.From.check() != nil:
		return &wrong{"The from object must be provided for every email send.", "from.email"}
	case l.ReplyTo != nil && len(l.ReplyToList) > 0:
		return &wrong{"reply_to and reply_to_list are mutually exclusive.", "reply_to"}
	case len(l.Categories) > maxCategories || twice(l.Categories):
		return &wrong{"The categories must be at most 10, and unique.", "categories"}
	case len(l.Content) == 0 && l.TemplateID == "":
		return &wrong{"Unless a valid template_id is provided, the content parameter is required.", "content"}
	case time.Until(time.Unix(l.SendAt, 0)) > maxAhead:
		return &wrong{"The send_at must be within 72 hours.", "send_at"}
	}
	for _, m := range append(slices.Clone(l.ReplyToList), l.replyTo()...) {
		if bad := m.check(); bad != nil {
			return &wrong{bad.message, "reply_to"}
		}
	}
	for name := range l.Headers {
		if slices.Contains(reserved, strings.ToLower(name)) {
			return &wrong{"The header " + name + " cannot be overridden.", "headers"}
		}
	}
	return l.checkParts()
}

// dynamic reports whether the message is made from a dynamic template, which has a subject of its own.
func (l letter) dynamic() bool { return strings.HasPrefix(l.TemplateID, "d-") }

func twice(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) < len(list)
}

func (l letter) replyTo() []party {
	if l.ReplyTo == nil {
		return nil
	}
	return []party{*l.ReplyTo}
}

func (l letter) checkParts() *wrong {
	for i, c := range l.Content {
		switch {
		case c.Type == "" || c.Value == "":
			return &wrong{"The content value must be a string at least one character in length.", "content"}
		case c.Type == "text/plain" && i > 0:
			return &wrong{"text/plain must come first, then text/html.", "content"}
		}
	}
	for _, a := range l.Attachments {
		_, err := base64.StdEncoding.DecodeString(a.Content)
		switch {
		case a.Content == "" || err != nil:
			return &wrong{"The attachment content must be base64 encoded.", "attachments.0.content"}
		case a.Filename == "":
			return &wrong{"The attachment filename is required.", "attachments.0.filename"}
		case a.Disposition != "" && a.Disposition != "attachment" && a.Disposition != "inline":
			return &wrong{"The disposition must be inline or attachment.", "attachments.0.disposition"}
		}
	}
	return nil
}

func (p personalization) check(field, subject string, dynamic bool) *wrong {
	if len(p.To) == 0 {
		return &wrong{"The to array is required, and must have at least one recipient.", field + ".to"}
	}
	if subject == "" && p.Subject == "" && !dynamic {
		return &wrong{"The subject is required.", "subject"}
	}
	if len(p.TemplateData) > 0 && !dynamic {
		return &wrong{"dynamic_template_data may only be used with a dynamic template.", field + ".dynamic_template_data"}
	}
	seen := map[string]bool{}
	for _, m := range slices.Concat(p.To, p.Cc, p.Bcc) {
		if bad := m.check(); bad != nil {
			return &wrong{bad.message, field + ".to.0.email"}
		}
		lower := strings.ToLower(m.Email)
		if seen[lower] {
			return &wrong{"Each email address in the personalization block should be unique between to, cc, and bcc.", field}
		}
		seen[lower] = true
	}
	if raw, _ := json.Marshal(p.CustomArgs); len(raw) >= maxArguments {
		return &wrong{"The custom_args must be less than 10000 bytes.", field + ".custom_args"}
	}
	return nil
}

// everybody returns the addresses of all recipients.
func (p personalization) everybody() []string {
	var all []string
	for _, m := range slices.Concat(p.To, p.Cc, p.Bcc) {
		all = append(all, m.Email)
	}
	return all
}

func (m party) check() *wrong {
	parsed, err := mail.ParseAddress(m.Email)
	ascii := strings.IndexFunc(m.Email, func(r rune) bool { return r > 127 }) < 0
	if err != nil || parsed.Name != "" || written(parsed) != m.Email || !ascii {
		return &wrong{"Does not contain a valid address.", "email"}
	}
	return nil
}

// written returns an address without its name. A local part that needs quotes has them.
func written(a *mail.Address) string {
	return strings.Trim((&mail.Address{Address: a.Address}).String(), "<>")
}

func (m party) address() email.Address { return email.Address{Email: m.Email, Name: m.Name} }

// template returns the template that SendGrid makes the message from, nil if there is none.
func (l letter) template(p personalization) *mailbox.Template {
	if l.TemplateID == "" {
		return nil
	}
	return &mailbox.Template{Name: l.TemplateID, Variables: p.TemplateData}
}

// message returns the message that SendGrid sends for one personalization, with a Message-ID of
// SendGrid's own unless the request has one.
func (l letter) message(p personalization) email.Message {
	m := email.Message{
		From: l.From.address(), Subject: l.Subject, Headers: map[string]string{}, MessageID: rand.Text() + "@sendgrid.example", CreatedAt: time.Now(),
	}
	for _, list := range []struct {
		from []party
		to   *[]email.Address
	}{{p.To, &m.To}, {p.Cc, &m.Cc}, {append(l.replyTo(), l.ReplyToList...), &m.ReplyTo}} {
		for _, one := range list.from {
			*list.to = append(*list.to, one.address())
		}
	}
	for name, value := range l.Headers {
		if strings.EqualFold(name, "Message-ID") {
			m.MessageID = strings.Trim(value, "<>")
			continue
		}
		m.Headers[name] = value
	}
	for _, c := range l.Content {
		if c.Type == "text/plain" {
			m.Text = c.Value
		} else {
			m.HTML = c.Value
		}
	}
	for _, a := range l.Attachments {
		raw, _ := base64.StdEncoding.DecodeString(a.Content) // check has validated it
		file := email.Attachment{Filename: a.Filename, ContentType: a.Type, Content: raw}
		if a.Disposition == "inline" {
			file.ContentID = a.ContentID
		}
		m.Attachments = append(m.Attachments, file)
	}
	return m
}
