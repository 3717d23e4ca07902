package resendsim

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
)

// The limits of the API: "Send Email", https://resend.com/docs/api-reference/emails/send-email
const (
	maxBytes      = 40 << 20
	maxRecipients = 50
	maxTag        = 256
)

// letter contains the request fields that Patchbay may use. Any other field is refused.
type letter struct {
	From        string            `json:"from"`
	To          list              `json:"to"`
	Cc          list              `json:"cc"`
	Bcc         list              `json:"bcc"`
	ReplyTo     list              `json:"reply_to"`
	Subject     string            `json:"subject"`
	HTML        string            `json:"html"`
	Text        *string           `json:"text"`
	Headers     map[string]string `json:"headers"`
	Attachments []attachment      `json:"attachments"`
	Tags        []tag             `json:"tags"`
}

type attachment struct {
	Filename    string `json:"filename"`
	Content     string `json:"content"`
	ContentType string `json:"content_type"`
	ContentID   string `json:"content_id"`
}

type tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// list is one address, or several.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		*l = make(list, 1)
		return json.Unmarshal(raw, &(*l)[0])
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

func parse(body []byte) (letter, *wrong) {
	var l letter
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return l, &wrong{http.StatusBadRequest, "validation_error", "The request is not valid: " + err.Error()}
	}
	return l, nil
}

func invalid(message string) *wrong {
	return &wrong{http.StatusUnprocessableEntity, "validation_error", message}
}

func (l letter) check() *wrong {
	if _, err := mail.ParseAddress(l.From); err != nil || !isASCIIAddress(l.From) {
		return &wrong{http.StatusUnprocessableEntity, "invalid_from_address", invalidField("from")}
	}
	for _, field := range []struct {
		name string
		list list
	}{{"to", l.To}, {"cc", l.Cc}, {"bcc", l.Bcc}, {"reply_to", l.ReplyTo}} {
		if slices.ContainsFunc(field.list, func(a string) bool { return !isASCIIAddress(a) }) {
			return invalid(invalidField(field.name))
		}
	}
	switch {
	case len(l.To) == 0:
		return missing("to")
	case len(l.To)+len(l.Cc)+len(l.Bcc) > maxRecipients:
		return invalid(fmt.Sprintf("The `to` field must have at most %d recipients.", maxRecipients))
	case l.Subject == "":
		return missing("subject")
	case l.HTML == "" && (l.Text == nil || *l.Text == ""):
		return missing("html")
	}
	return l.checkParts()
}

func invalidField(name string) string {
	return "Invalid `" + name + "` field. The email address needs to follow the `email@example.com` or `Name <email@example.com>` format."
}

func missing(name string) *wrong {
	return &wrong{http.StatusUnprocessableEntity, "missing_required_field", "Missing `" + name + "` field."}
}

// isASCIIAddress reports whether a text is an address, with or without a name of any script.
func isASCIIAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	return err == nil && !strings.ContainsFunc(parsed.Address, func(r rune) bool { return r > 127 })
}

var tagText = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (l letter) checkParts() *wrong {
	for _, a := range l.Attachments {
		if _, err := base64.StdEncoding.DecodeString(a.Content); a.Content == "" || a.Filename == "" || err != nil {
			return &wrong{http.StatusUnprocessableEntity, "invalid_attachment", "Attachment must have either a `content` or `path`."}
		}
	}
	seen := map[string]bool{}
	for _, t := range l.Tags {
		for _, text := range []string{t.Name, t.Value} {
			if !tagText.MatchString(text) || len(text) > maxTag {
				return invalid("Tags should only contain ASCII letters, numbers, underscores, or dashes.")
			}
		}
		if seen[t.Name] {
			return invalid("Tags should have different names.")
		}
		seen[t.Name] = true
	}
	return nil
}

// parsed returns addresses that check has validated.
func parsed(texts ...string) (all []email.Address) {
	for _, text := range texts {
		if a, err := mail.ParseAddress(text); err == nil {
			written := mail.Address{Address: a.Address} // a local part that needs quotes has lost them
			all = append(all, email.Address{Email: strings.Trim(written.String(), "<>"), Name: a.Name})
		}
	}
	return all
}

func (l letter) sender() string { return parsed(l.From)[0].Email }

// everybody returns the addresses of all recipients.
func (l letter) everybody() (all []string) {
	for _, a := range parsed(slices.Concat(l.To, l.Cc, l.Bcc)...) {
		all = append(all, a.Email)
	}
	return all
}

// variables returns the tags by name.
func (l letter) variables() map[string]string {
	all := map[string]string{}
	for _, t := range l.Tags {
		all[t.Name] = t.Value
	}
	return all
}

// tags returns the tags as the mailbox keeps them.
func (l letter) tags() (all []string) {
	for _, t := range l.Tags {
		all = append(all, t.Name+"="+t.Value)
	}
	return all
}

var markup = regexp.MustCompile(`<[^>]*>`)

// raw returns the message that Resend sends, with a Message-ID of Resend's own unless the request has
// one, and with a text of Resend's own if the request has none, not even an empty one.
func (l letter) raw() ([]byte, error) {
	m := email.Message{
		From: parsed(l.From)[0], To: parsed(l.To...), Cc: parsed(l.Cc...), ReplyTo: parsed(l.ReplyTo...), Subject: l.Subject,
		HTML: l.HTML, Headers: map[string]string{}, MessageID: rand.Text() + "@resend.example", CreatedAt: time.Now(),
	}
	if l.Text != nil {
		m.Text = *l.Text
	} else {
		m.Text = markup.ReplaceAllString(l.HTML, "")
	}
	for name, value := range l.Headers {
		if strings.EqualFold(name, "Message-ID") {
			m.MessageID = strings.Trim(value, "<>")
			continue
		}
		m.Headers[name] = value
	}
	for _, a := range l.Attachments {
		content, _ := base64.StdEncoding.DecodeString(a.Content) // check has validated it
		m.Attachments = append(m.Attachments, email.Attachment{Filename: a.Filename, ContentType: a.ContentType, ContentID: a.ContentID, Content: content})
	}
	var b bytes.Buffer
	err := rfc5322.Write(&b, m)
	return b.Bytes(), err
}
