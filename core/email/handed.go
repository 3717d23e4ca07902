package email

import (
	"net/mail"
	"slices"
	"strings"

	"patchbay/core/fault"
)

// Envelope is what SMTP says of a message beside its text (RFC 5321 §2.3.1). A message that has one was
// handed over as MIME: its only attachment is that text, its To, Cc and Bcc together are the recipients of
// the envelope, of which no header names those in Bcc, and its other fields are what the headers say, as
// far as they can be shown.
type Envelope struct {
	Sender string `json:"sender,omitempty"` // MAIL FROM; empty if nothing is to be returned
	// Apart says what a provider needs that takes no MIME. It is nil if a message of fields would lack
	// something of the text.
	Apart *Apart `json:"apart,omitempty"`
}

// Apart is what a message needs of a provider once it is taken apart into fields.
type Apart struct {
	Files   int  `json:"files,omitempty"` // bytes of all attachments
	Inline  bool `json:"inline,omitempty"`
	Headers bool `json:"headers,omitempty"`
}

// Parts is a message in the format of Internet mail, taken apart.
type Parts struct {
	From, To, Cc, ReplyTo []Address // From is one
	Sender                []Address // of the header Sender, if it has one
	Subject, HTML, Text   string
	Headers               map[string]string // those that no other field is made from
	Attachments           []Attachment
	MessageID             string   // without angle brackets, empty if the message has none
	IdempotencyKey        string   // of the header X-Idempotency-Key
	Category              Category // of the header X-Patchbay-Category, in lower case; empty if it has none
	// Loss says what of the message the fields lack; it is empty if they lack nothing.
	Loss string
	// Forbidden is the name of a header that ForbiddenHeader refuses, if there is one.
	Forbidden string
	// Unclear is the name of the header that IdempotencyKey or Category is of, if it is empty, or there twice.
	Unclear string
	// Digest is the same for messages that say the same. It leaves out how the message came here, the
	// boundaries of its parts and, if it has an IdempotencyKey, its Message-ID and Date.
	Digest string
}

const (
	// MaxMIME is the largest message that is taken as MIME, in bytes: one with the largest attachments.
	MaxMIME = 30 << 20
	// MIMEType is the content type of a message.
	MIMEType = "message/rfc822"
	mimeName = "message.eml"
)

// MIMEFile returns the attachment that stands for the text of a message that was handed over.
func MIMEFile(raw []byte) Attachment {
	return Attachment{Filename: mimeName, ContentType: MIMEType, Content: raw}
}

// MIME returns the text of a message that was handed over, and nil for a message of Patchbay's own
// making, or once the text was removed.
func (m Message) MIME() []byte {
	if m.Envelope == nil || len(m.Attachments) != 1 {
		return nil
	}
	return m.Attachments[0].Content
}

// TakenApart returns the message in the form in which a provider gets it that takes no MIME.
func (m Message) TakenApart(p Parts) Message {
	m.Envelope = nil
	m.Subject, m.HTML, m.Text, m.Headers, m.Attachments = p.Subject, p.HTML, p.Text, p.Headers, p.Attachments
	return m
}

// Shown returns a text as it can be shown on one line: without control characters, and not longer than
// most characters.
func Shown(text string, most int) string {
	line := strings.Map(func(r rune) rune {
		if isOneLine(string(r)) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "\ufffd"))
	if n := []rune(line); len(n) > most {
		line = string(n[:most])
	}
	return line
}

// shown returns a header's address as it can be shown.
func (a Address) shown() Address { return Address{Email: a.Email, Name: Shown(a.Name, maxName)} }

// Mailbox returns an address as it must be written: with its local part in quotes if it is no dot-atom
// (RFC 5322 §3.4.1).
func Mailbox(address string) string { return written(&mail.Address{Address: address}) }

// CheckAddress returns Invalid unless address is that of a mailbox, such as ada@example.com.
func CheckAddress(address string) error { return Address{Email: address}.check("") }

// checkHandedOver is Check for a draft with an envelope.
func (d Draft) checkHandedOver() error {
	if err := d.checkAddresses(); err != nil {
		return err
	}
	switch {
	case d.From == (Address{}):
		return fault.InvalidParam("from", "from_missing", "a message needs a sender in its header From")
	case len(d.Attachments) != 1 || len(d.Attachments[0].Content) == 0:
		return fault.InvalidParam("mime", "invalid_mime", "the message is empty")
	case len(d.Attachments[0].Content) > MaxMIME:
		return fault.InvalidParam("mime", "body_too_large", "a message takes at most 30 MB")
	}
	return d.Category.check()
}

// Composed returns the draft that a message of these parts would be of, for the recipients of d.
func (d Draft) Composed(p Parts) Draft {
	return Draft{
		From: d.From, To: d.To, Cc: d.Cc, Bcc: d.Bcc, ReplyTo: p.ReplyTo, Subject: p.Subject, HTML: p.HTML, Text: p.Text,
		Headers: p.Headers, Attachments: p.Attachments,
	}
}

// NeedsOf returns what a draft needs of a provider that takes no MIME, nil if it is not one that is
// accepted as such.
func (d Draft) NeedsOf() *Apart {
	if d.Check() != nil {
		return nil
	}
	needs := &Apart{Headers: len(d.Headers) > 0}
	for _, a := range d.Attachments {
		needs.Files += len(a.Content)
		needs.Inline = needs.Inline || a.ContentID != ""
	}
	return needs
}

// lacksForMIME returns what the provider lacks for a message that was handed over, "" if nothing.
func (f Features) lacksForMIME(m Message) string {
	apart := m.Envelope.Apart
	switch {
	case f.SendsFor != nil && !f.SendsFor(m.From.Email):
		return "from"
	case exceeds(f.MaxRecipients, len(m.To)+len(m.Cc)+len(m.Bcc)):
		return "to"
	case f.MIME && exceeds(f.MaxMIME, m.AttachmentBytes()):
		return "attachments"
	case f.MIME:
		return ""
	case apart == nil:
		return "mime"
	case apart.Files > 0 && !f.Attachments, apart.Inline && !f.Inline, exceeds(f.MaxAttachments, apart.Files):
		return "attachments"
	case apart.Headers && !f.Headers:
		return "headers"
	case len(m.ReplyTo) > 1 && !f.MultiReply:
		return "replyTo"
	}
	return ""
}

// Addressed returns the draft of a message that was handed over for these recipients. To and Cc are
// those that the headers name, with their names; Bcc are those that no header names. whole is false if
// the headers say more than that: they name others beside the recipients, or names that cannot be shown.
func (p Parts) Addressed(recipients []string) (d Draft, whole bool) {
	whole = p.Loss == ""
	from := func(list []Address, email string) (Address, bool) {
		i := slices.IndexFunc(list, func(a Address) bool { return strings.EqualFold(a.Email, email) })
		if i < 0 {
			return Address{}, false
		}
		whole = whole && list[i].shown() == list[i]
		return Address{Email: email, Name: list[i].shown().Name}, true
	}
	for _, r := range recipients {
		if a, ok := from(p.To, r); ok {
			d.To = append(d.To, a)
		} else if a, ok := from(p.Cc, r); ok {
			d.Cc = append(d.Cc, a)
		} else {
			d.Bcc = append(d.Bcc, Address{Email: r})
		}
	}
	if len(p.To)+len(p.Cc) != len(d.To)+len(d.Cc) { // a name that is there twice is one too many as well
		whole = false
	}
	if len(p.From) > 0 {
		d.From = p.From[0].shown()
		whole = whole && d.From == p.From[0]
	}
	for _, a := range p.ReplyTo {
		if a.check("") == nil && !slices.Contains(d.ReplyTo, a) {
			d.ReplyTo = append(d.ReplyTo, a)
		}
	}
	d.Subject, d.MessageID = Shown(p.Subject, MaxSubject), p.MessageID
	return d, whole
}
