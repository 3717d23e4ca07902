package email

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"patchbay/core/fault"
)

// Draft is a message that a caller wants to send.
type Draft struct {
	From        Address // the zero Address means the configured sender
	To          []Address
	Cc          []Address
	Bcc         []Address
	ReplyTo     []Address
	Subject     string
	HTML        string
	Text        string
	Headers     map[string]string
	Attachments []Attachment
	Tags        []string
	Metadata    map[string]string
	SendAt      time.Time
	ExpiresAt   time.Time // when the message is not worth sending any more; the zero time for never
	Delivery    Delivery  // empty means the configured promise
	Category    Category  // empty means Transactional
	Keeping     Keeping
	// TemplateID names a template, and TemplateData is the JSON object that it is rendered with. The
	// subject and the body may then be empty.
	TemplateID   string
	TemplateData json.RawMessage
	// InReplyTo and References are the ids of the messages that this one answers and refers to, with or
	// without angle brackets.
	InReplyTo  string
	References []string
	Tracking   Tracking
	// HTMLOnly means that no text is derived from HTML.
	HTMLOnly bool
	// Envelope is not nil for a message that was handed over as MIME; see Envelope. MessageID is then that
	// of its header, without angle brackets, or empty.
	Envelope  *Envelope
	MessageID string
}

// Limits of a message. Every provider accepts messages within them.
const (
	MaxRecipients  = 1000     // to, cc and bcc together
	MaxSubject     = 998      // characters, RFC 5322 §2.1.1
	MaxBody        = 1 << 20  // bytes, html and text together
	MaxAttachments = 20 << 20 // bytes, all of them
	MaxTags        = 10       // entries
	MaxMetadata    = 20       // entries
	maxTemplateID  = 128      // characters
	maxHeaders     = 30       // entries
	maxLine        = 998      // characters of a header
	maxAddress     = 254      // RFC 5321 §4.5.3.1.3
	maxName        = 200      // characters
)

// Check returns Invalid, with the name of the field in the API, unless every provider could
// accept the draft. It ensures that no value can break out of its header (header injection).
func (d Draft) Check() error {
	if d.Envelope != nil {
		return d.checkHandedOver()
	}
	if err := d.checkAddresses(); err != nil {
		return err
	}
	switch {
	case d.TemplateID == "" && len(d.TemplateData) > 0:
		return fault.InvalidParam("templateData", "template_missing", "templateData needs a templateId")
	case d.TemplateID != "" && (len(d.TemplateID) > maxTemplateID || !isOneLine(d.TemplateID)):
		return fault.InvalidParam("templateId", "invalid_template", "templateId takes 1 to 128 characters on one line")
	case len(d.TemplateData) > MaxBody:
		return fault.InvalidParam("templateData", "body_too_large", "templateData takes at most 1 MB")
	case d.Subject == "" && d.TemplateID == "" || utf8.RuneCountInString(d.Subject) > MaxSubject || !isOneLine(d.Subject):
		return fault.InvalidParam("subject", "invalid_subject", "subject must be 1 to 998 characters on one line")
	case d.HTML == "" && d.Text == "" && d.TemplateID == "":
		return fault.InvalidParam("html", "body_missing", "a message needs html or text")
	case len(d.HTML)+len(d.Text) > MaxBody:
		return fault.InvalidParam("html", "body_too_large", "html and text take at most 1 MB together")
	case d.Delivery != "" && d.Delivery != AtLeastOnce && d.Delivery != AtMostOnce:
		return fault.InvalidParam("delivery", "invalid_delivery", "delivery must be at_least_once or at_most_once")
	case !d.Keeping.known():
		return fault.InvalidParam("content", "invalid_content", "content must be keep, until_sent or never")
	}
	if err := d.Category.check(); err != nil {
		return err
	}
	if err := d.checkHeaders(); err != nil {
		return err
	}
	if err := d.checkThread(); err != nil {
		return err
	}
	if err := d.checkAttachments(); err != nil {
		return err
	}
	return d.checkLabels()
}

func (d Draft) checkAddresses() error {
	seen := make(map[string]bool)
	for _, list := range []struct {
		name      string
		addresses []Address
	}{{"to", d.To}, {"cc", d.Cc}, {"bcc", d.Bcc}} {
		for i, a := range list.addresses {
			param := fmt.Sprintf("%s[%d]", list.name, i)
			if err := a.check(param); err != nil {
				return err
			}
			key := strings.ToLower(a.Email)
			if seen[key] {
				return fault.InvalidParam(param, "duplicate_recipient", "an address may stand only once in to, cc and bcc")
			}
			seen[key] = true
		}
	}
	for i, a := range d.ReplyTo {
		param := fmt.Sprintf("replyTo[%d]", i)
		if err := a.check(param); err != nil {
			return err
		}
		if slices.ContainsFunc(d.ReplyTo[:i], func(o Address) bool { return strings.EqualFold(o.Email, a.Email) }) {
			return fault.InvalidParam(param, "duplicate_recipient", "an address may stand only once in replyTo")
		}
	}
	if d.From != (Address{}) {
		if err := d.From.check("from"); err != nil {
			return err
		}
	}
	switch {
	case len(d.To) == 0 && (d.Envelope == nil || len(seen) == 0):
		return fault.InvalidParam("to", "recipients_missing", "a message needs at least one recipient in to")
	case len(seen) > MaxRecipients:
		return fault.InvalidParam("to", "too_many_recipients", "a message takes at most 1000 recipients in all")
	}
	return nil
}

func (a Address) check(param string) error {
	parsed, err := mail.ParseAddress(a.Email)
	if err != nil || parsed.Name != "" || written(parsed) != a.Email || len(a.Email) > maxAddress || strings.ContainsFunc(a.Email, invisible) {
		return fault.InvalidParam(param, "invalid_address", "an address must look like ada@example.com")
	}
	if utf8.RuneCountInString(a.Name) > maxName || !isOneLine(a.Name) {
		return fault.InvalidParam(param, "invalid_name", "a display name takes at most 200 characters on one line")
	}
	return nil
}

// Check returns Invalid, with the Param email or name, unless the address is one that a message may have.
func (a Address) Check() error {
	if err := (Address{Email: a.Email}).check("email"); err != nil {
		return err
	}
	return a.check("name")
}

// ParseAddress parses "ada@example.com" or "Ada <ada@example.com>". The result satisfies the
// rules of Draft.Check. They are checked on the decoded name: a name may be an encoded word (RFC
// 2047), which may contain line breaks that the text itself does not.
func ParseAddress(s string) (Address, error) {
	parsed, err := mail.ParseAddress(s)
	if err != nil || !isOneLine(s) {
		return Address{}, fault.New(fault.Invalid, "invalid_address", "an address must look like ada@example.com or Ada <ada@example.com>")
	}
	a := Address{Email: written(parsed), Name: parsed.Name}
	if err := a.check(""); err != nil {
		return Address{}, err
	}
	return a, nil
}

// written returns a parsed address as it must be written: with its local part in quotes if it is no
// dot-atom (RFC 5322 §3.4.1).
func written(parsed *mail.Address) string {
	bare := mail.Address{Address: parsed.Address}
	return strings.Trim(bare.String(), "<>")
}

// reservedHeaders are the headers that are derived from other fields, or set by mail servers.
var reservedHeaders = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "reply-to": true, "sender": true, "subject": true,
	"date": true, "message-id": true, "mime-version": true, "return-path": true, "received": true,
	"dkim-signature": true, "authentication-results": true,
}

// controlPrefixes are prefixes of headers that control providers or mail servers: such a header can
// drop a message, redirect it, or mark it as another message.
var controlPrefixes = []string{"x-mailgun-", "x-smtpapi", "x-msys-api", "x-ses-", "x-pm-", "x-postmark", "x-mc-", "resent-", "apparently-"}

// reservedPrefix is the prefix of the metadata names that the gateway uses for its own marks.
// It is compared without regard to case, because not every system that handles the message
// distinguishes case.
const reservedPrefix = "patchbay_"

// DerivedHeader reports whether a header is made from other fields of a message, or set by mail servers.
func DerivedHeader(header string) bool {
	lower := strings.ToLower(header)
	return reservedHeaders[lower] || strings.HasPrefix(lower, "content-")
}

// ForbiddenHeader reports whether a header would tell a provider, or a mail server, what to do with the
// message.
func ForbiddenHeader(header string) bool {
	lower := strings.ToLower(header)
	return slices.ContainsFunc(controlPrefixes, func(prefix string) bool { return strings.HasPrefix(lower, prefix) })
}

func (d Draft) checkHeaders() error {
	if len(d.Headers) > maxHeaders {
		return fault.InvalidParam("headers", "too_many_headers", "a message takes at most 30 headers of its own")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		value := d.Headers[name]
		switch {
		case !isToken(name) || len(name) > 76:
			return fault.InvalidEntry("headers", name, "invalid_header", "a header's name takes at most 76 letters, digits, hyphens and underscores")
		case DerivedHeader(name):
			return fault.InvalidParam("headers."+name, "forbidden_header", "this header is made from other fields")
		case ForbiddenHeader(name):
			return fault.InvalidParam("headers."+name, "forbidden_header", "this header would tell a provider what to do with the message")
		case !isOneLine(value) || utf8.RuneCountInString(value) > maxLine:
			return fault.InvalidParam("headers."+name, "invalid_header", "a header's value takes at most 998 characters on one line")
		}
	}
	return nil
}

func (d Draft) checkAttachments() error {
	total := 0
	for i, a := range d.Attachments {
		param := fmt.Sprintf("attachments[%d]", i)
		total += len(a.Content)
		kind, _, err := mime.ParseMediaType(a.ContentType)
		switch {
		case len(a.Content) == 0:
			return fault.InvalidParam(param+".content", "empty_attachment", "an attachment takes at least one byte, because not every provider carries an empty one")
		case a.Filename == "" || len(a.Filename) > 255 || !isOneLine(a.Filename) || strings.ContainsAny(a.Filename, `/\`):
			return fault.InvalidParam(param+".filename", "invalid_filename", "an attachment needs a plain file name")
		case err != nil || !isOneLine(a.ContentType):
			return fault.InvalidParam(param+".contentType", "invalid_content_type", "contentType must be a media type such as application/pdf")
		case len(a.ContentID) > 255 || strings.ContainsAny(a.ContentID, "<> ") || !isOneLine(a.ContentID):
			return fault.InvalidParam(param+".contentId", "invalid_content_id", "contentId takes at most 255 characters without spaces and brackets")
		case kind == "message/rfc822" && !hasMailLines(a.Content):
			return fault.InvalidParam(param+".content", "invalid_attachment", "an attached message takes lines of at most 998 bytes, and no NUL, because it must not be encoded")
		case total > MaxAttachments:
			return fault.InvalidParam("attachments", "attachments_too_large", "attachments take at most 20 MB together")
		}
	}
	return nil
}

// hasMailLines reports whether a text can be sent without an encoding (RFC 5322 §2.1.1, RFC 6152).
func hasMailLines(text []byte) bool {
	for line := range bytes.Lines(text) {
		if len(bytes.TrimRight(line, "\r\n")) > maxLine {
			return false
		}
	}
	return !bytes.ContainsRune(text, 0)
}

func (d Draft) checkLabels() error {
	if len(d.Tags) > MaxTags {
		return fault.InvalidParam("tags", "too_many_tags", "a message takes at most 10 tags")
	}
	for i, tag := range d.Tags {
		if slices.Contains(d.Tags[:i], tag) {
			return fault.InvalidParam(fmt.Sprintf("tags[%d]", i), "duplicate_tag", "a tag may stand only once")
		}
		if tag == "" || len(tag) > 128 || !isOneLine(tag) {
			return fault.InvalidParam(fmt.Sprintf("tags[%d]", i), "invalid_tag", "a tag takes 1 to 128 characters on one line")
		}
	}
	if len(d.Metadata) > MaxMetadata {
		return fault.InvalidParam("metadata", "too_many_keys", "metadata takes at most 20 keys")
	}
	for _, k := range slices.Sorted(maps.Keys(d.Metadata)) {
		v := d.Metadata[k]
		switch {
		case strings.HasPrefix(strings.ToLower(k), reservedPrefix):
			return fault.InvalidEntry("metadata", k, "reserved_metadata", "metadata keys may not begin with patchbay_, with which the gateway marks its mail")
		case !isToken(k) || len(k) > 40:
			return fault.InvalidEntry("metadata", k, "invalid_metadata", "metadata keys take 1 to 40 letters, digits, hyphens and underscores")
		case utf8.RuneCountInString(v) > 500 || !isOneLine(v):
			return fault.InvalidEntry("metadata", k, "invalid_metadata", "metadata values take at most 500 characters on one line")
		}
	}
	return nil
}

// isOneLine reports whether s is valid UTF-8 without line breaks and other control characters,
// which could break out of a header.
func isOneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029'
	})
}

// invisible reports whether r cannot be seen in an address, so that two addresses would look the
// same, or replaces bytes that are not valid UTF-8.
func invisible(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
}

// CheckLines returns Invalid if a text that goes into a header contains a line break. Draft.Check
// has already checked that; an adapter whose provider writes the headers checks again, because the
// provider may not.
func (m Message) CheckLines() error {
	for _, line := range m.Lines() {
		if !isOneLine(line) {
			return fault.New(fault.Invalid, "line_break", "a field of the message has more than one line")
		}
	}
	return nil
}

// Lines returns the texts of the message that go into headers, or to the provider as separate
// fields.
func (m Message) Lines() []string {
	lines := []string{m.Subject, m.MessageID}
	for _, a := range m.addresses() {
		lines = append(lines, a.Name, a.Email)
	}
	for _, p := range m.Personalizations {
		if p.Content != nil {
			lines = append(lines, p.Content.Subject)
		}
	}
	for _, a := range m.Attachments {
		lines = append(lines, a.Filename, a.ContentType, a.ContentID)
	}
	for _, all := range []map[string]string{m.Headers, m.Metadata} {
		for name, value := range all {
			lines = append(lines, name, value)
		}
	}
	return append(lines, m.Tags...)
}

// redacted replaces a text that may identify a person.
const redacted = "[…]"

// addressed is whatever looks like an address. A server may spell one in another way than the message does.
const addressed = `("[^"]*"|[^\s<>()\[\],;:"']+)@(\[[^\]]*\]|[^\s<>()\[\],;:"']+)`

// Redact removes from text, which a provider or a server wrote about the message, its subject and
// everything that identifies its sender and recipients: all addresses, their local parts, which
// servers like to repeat alone, and the names, word by word.
func (m Message) Redact(text string) string {
	who := []string{m.Subject}
	for _, a := range m.addresses() {
		local, _, _ := strings.Cut(a.Email, "@")
		who = append(append(who, a.Email, local, a.Name), strings.Fields(a.Name)...)
	}
	who = slices.DeleteFunc(who, func(one string) bool { return len(one) < 3 })
	slices.SortFunc(who, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // longest first
	for i, one := range who {
		who[i] = regexp.QuoteMeta(one)
	}
	who = append([]string{addressed}, who...)
	return regexp.MustCompile("(?i)"+strings.Join(who, "|")).ReplaceAllString(text, redacted)
}
