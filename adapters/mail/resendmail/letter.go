package resendmail

import (
	"bytes"
	"encoding/json"
	"mime"
	"regexp"
	"strings"

	"patchbay/adapters/mail/labels"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// letter is a message in Resend's format.
type letter struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Cc      []string `json:"cc,omitempty"`
	Bcc     []string `json:"bcc,omitempty"`
	ReplyTo []string `json:"reply_to,omitempty"`
	Subject string   `json:"subject"`
	HTML    string   `json:"html,omitempty"`
	// Text is also written if it is empty: otherwise Resend makes a text of its own from the HTML.
	Text        string            `json:"text"`
	Headers     map[string]string `json:"headers,omitempty"`
	Attachments []attachment      `json:"attachments,omitempty"`
	Tags        []tag             `json:"tags,omitempty"`
}

type attachment struct {
	Filename    string `json:"filename"`
	Content     []byte `json:"content"` // in base64
	ContentType string `json:"content_type"`
	ContentID   string `json:"content_id,omitempty"` // of an inline file
}

// tag is what Resend keeps with a message, and shows in its events.
type tag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func tagsOf(m email.Message) (all []tag) {
	for _, l := range labels.Of(m) {
		all = append(all, tag(l))
	}
	return all
}

// requestOf returns the request for a message. It returns Invalid if the message is not valid.
func requestOf(m email.Message) ([]byte, error) {
	if err := m.CheckLines(); err != nil {
		return nil, err
	}
	l := letter{Subject: m.Subject, HTML: m.HTML, Text: m.Text, Tags: tagsOf(m)}
	from, err := mailboxes([]email.Address{m.From}, map[string]bool{})
	if err != nil {
		return nil, err
	}
	l.From = from[0]
	once, replies := map[string]bool{}, map[string]bool{}
	for _, list := range []struct {
		from []email.Address
		to   *[]string
		seen map[string]bool
	}{{m.To, &l.To, once}, {m.Cc, &l.Cc, once}, {m.Bcc, &l.Bcc, once}, {m.ReplyTo, &l.ReplyTo, replies}} {
		if *list.to, err = mailboxes(list.from, list.seen); err != nil {
			return nil, err
		}
	}
	l.Headers = map[string]string{"Message-ID": "<" + m.MessageID + ">"}
	for name, value := range m.Headers {
		l.Headers[name] = mime.QEncoding.Encode("utf-8", value) // ASCII, whether Resend encodes it or not
	}
	for _, a := range m.Attachments {
		if a.Filename == "" {
			return nil, fault.New(fault.Invalid, "invalid_filename", "an attachment needs a file name")
		}
		l.Attachments = append(l.Attachments, attachment{Filename: a.Filename, Content: a.Content, ContentType: a.ContentType, ContentID: a.ContentID})
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body) // it writes maps in the order of their keys
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		return nil, fault.New(fault.Invalid, "unwritable", "the message cannot be written")
	}
	return body.Bytes(), nil
}

// mailboxes returns addresses as Resend takes them: "Name" <ada@example.com>, in UTF-8, with the
// domain in ASCII. An address that was seen before is left out, so that nobody gets two copies.
func mailboxes(list []email.Address, seen map[string]bool) ([]string, error) {
	var out []string
	for _, a := range list {
		ascii, err := rfc5322.ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		lower := strings.ToLower(ascii)
		if seen[lower] {
			continue
		}
		seen[lower] = true
		if a.Name != "" {
			ascii = `"` + quoting.Replace(a.Name) + `" <` + ascii + ">"
		}
		out = append(out, ascii)
	}
	return out, nil
}

// quoting escapes what ends a quoted string (RFC 5322 §3.2.4).
var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// acceptedID returns the id in the answer to a message that Resend has accepted, or "".
func acceptedID(answer []byte) string {
	var accepted struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(answer, &accepted) != nil || !uuid.MatchString(accepted.ID) {
		return ""
	}
	return accepted.ID
}

// uuid matches an id of Resend's: where one is a parameter, it must be a UUID.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
