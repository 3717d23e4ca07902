package email

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"patchbay/core/fault"
)

// Features says what a mail provider supports beyond a plain message. A message that needs
// anything else is refused with Unsupported before it is sent.
type Features struct {
	Attachments bool
	Inline      bool // attachments with a ContentID
	Headers     bool
	Tags        int // maximum number
	Metadata    bool
	MultiReply  bool // more than one ReplyTo
	OnlyBcc     bool // a message without To and Cc
	UTF8        bool // addresses whose local part is not ASCII (RFC 6531)
	// Tracking are the settings of Message.Tracking that the provider can carry: those of EachTracking if
	// it can be set for each message, otherwise that of its account, if it is known.
	Tracking []Tracking
	// SendsFor reports whether the provider sends for an address in From. A nil func means that it sends
	// for all.
	SendsFor func(from string) bool
	// Templates reports whether the provider stores a template, by the name that messages give it. A
	// nil func means that it stores none.
	Templates func(template string) bool

	// KeyMemory is for how long the provider remembers the id of an attempt. Until then it answers a
	// repeat of the call, with the same message, as it answered the first, and sends nothing again. 0
	// means that a repeat would be sent again.
	KeyMemory time.Duration
	// Account distinguishes the account that remembers them from any other, at this provider or elsewhere: a
	// call is repeated only where Account is as it was at the first. It is stored and so not secret, such as
	// a keyed hash of the credentials; provider.Environment has one. Empty means that it is not known which
	// account it is: then no call is repeated.
	Account string
	// Labels reports whether the provider can keep a tag, which has no name, or an entry of the
	// metadata. A nil func means that it can keep any.
	Labels func(name, value string) bool
	// MIME means that the provider takes a message that was handed over as MIME as it is, and recipients
	// that its headers do not name. Any other provider gets such a message taken apart into fields.
	MIME bool

	// Personalizations is the maximum number of personalizations in one call, of one recipient each; 0
	// if each copy needs a call of its own.
	Personalizations int
	MergesData       bool // they may share a template that the provider stores, each with data of its own
	MergesContent    bool // they may have a content of their own

	// Limits lower than those of Draft.Check; 0 means no lower limit.
	MaxRecipients  int // in to, cc and bcc together
	MaxMetadata    int // bytes of names and values
	MaxAttachments int // bytes of all files, before encoding
	MaxMIME        int // bytes of a message that is handed over as MIME
}

// Carry returns Unsupported, with the feature as Param, if the message uses a feature that the
// provider lacks or exceeds one of its limits.
func (f Features) Carry(m Message) error {
	var lacks string
	inline := slices.ContainsFunc(m.Attachments, func(a Attachment) bool { return a.ContentID != "" })
	switch {
	case m.Envelope != nil:
		if lacks = f.lacksForMIME(m); lacks == "" {
			return nil
		}
	case len(m.Personalizations) > 0 && !f.merges(m):
		lacks = "personalizations"
	case len(m.Personalizations) == 0 && m.TemplateID != "" && m.HTML == "" && m.Text == "" && !f.Stores(m.TemplateID):
		lacks = "templateId"
	case f.SendsFor != nil && !f.SendsFor(m.From.Email):
		lacks = "from"
	case len(m.Attachments) > 0 && !f.Attachments, inline && !f.Inline, exceeds(f.MaxAttachments, m.AttachmentBytes()):
		lacks = "attachments"
	case exceeds(f.MaxRecipients, len(m.To)+len(m.Cc)+len(m.Bcc)):
		lacks = "to"
	case len(m.To)+len(m.Cc) == 0 && len(m.Bcc) > 0 && !f.OnlyBcc:
		lacks = "bcc"
	case len(m.Headers) > 0 && !f.Headers:
		lacks = "headers"
	case len(m.Tags) > f.Tags, !f.keepsTags(m.Tags):
		lacks = "tags"
	case len(m.Metadata) > 0 && !f.Metadata, exceeds(f.MaxMetadata, m.metadataBytes()), !f.keepsMetadata(m.Metadata):
		lacks = "metadata"
	case len(m.ReplyTo) > 1 && !f.MultiReply:
		lacks = "replyTo"
	case m.Tracking != "" && !slices.Contains(f.Tracking, m.Tracking):
		lacks = "tracking"
	case !f.UTF8:
		lacks = m.needsUTF8()
	}
	if lacks == "" {
		return nil
	}
	return &fault.Error{
		Kind: fault.Unsupported, Code: "feature_unsupported", Param: lacks, Message: "no provider can carry " + lacks + f.excess(m, lacks),
	}
}

// excess says which limit of the provider a message exceeds in a field, and by what; "" if it is none.
func (f Features) excess(m Message, field string) string {
	over := func(most, n int, of string) string {
		if !exceeds(most, n) {
			return ""
		}
		return fmt.Sprintf(": a provider takes at most %d %s, and there are %d", most, of, n)
	}
	switch field {
	case "attachments":
		if m.Envelope != nil && f.MIME {
			return over(f.MaxMIME, m.AttachmentBytes(), "bytes of a message")
		}
		return over(f.MaxAttachments, m.fileBytes(), "bytes of files")
	case "to":
		return over(f.MaxRecipients, len(m.To)+len(m.Cc)+len(m.Bcc), "recipients")
	case "tags":
		return over(f.Tags, len(m.Tags), "tags")
	case "metadata":
		return over(f.MaxMetadata, m.metadataBytes(), "bytes of names and values")
	case "replyTo":
		return over(1, len(m.ReplyTo), "addresses")
	}
	return ""
}

// fileBytes returns the size of the files that a provider without MIME gets.
func (m Message) fileBytes() int {
	if m.Envelope == nil {
		return m.AttachmentBytes()
	}
	if m.Envelope.Apart == nil {
		return 0
	}
	return m.Envelope.Apart.Files
}

// Stores reports whether the provider stores a template.
func (f Features) Stores(template string) bool {
	return template != "" && f.Templates != nil && f.Templates(template)
}

// needsUTF8 returns the field with an address whose local part is not ASCII, or "".
func (m *Message) needsUTF8() string {
	for _, field := range []struct {
		name string
		list []Address
	}{{"from", []Address{m.From}}, {"to", m.To}, {"cc", m.Cc}, {"bcc", m.Bcc}, {"replyTo", m.ReplyTo}} {
		if slices.ContainsFunc(field.list, Address.needsUTF8) {
			return field.name
		}
	}
	for _, p := range m.Personalizations {
		if slices.ContainsFunc(p.To, Address.needsUTF8) {
			return "personalizations"
		}
	}
	return ""
}

func (a Address) needsUTF8() bool {
	for i := strings.LastIndexByte(a.Email, '@') - 1; i >= 0; i-- {
		if a.Email[i] > unicode.MaxASCII {
			return true
		}
	}
	return false
}

func exceeds(limit, n int) bool { return limit > 0 && n > limit }

func (m Message) metadataBytes() (n int) {
	for k, v := range m.Metadata {
		n += len(k) + len(v)
	}
	return n
}
