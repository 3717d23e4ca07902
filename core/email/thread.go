package email

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"patchbay/core/fault"
)

// The headers by which a mail reader puts a message into its thread (RFC 5322 §3.6.4).
const (
	inReplyTo  = "In-Reply-To"
	references = "References"
)

// maxReferences is how many messages a draft may refer to.
const maxReferences = 1000

// MessageIDHeader returns the Message-ID as headers have it: in angle brackets. It is empty for a message
// that has none, or that no mail has: one that was split.
func (m Message) MessageIDHeader() string {
	if m.MessageID == "" || m.Status == Split {
		return ""
	}
	return "<" + m.MessageID + ">"
}

// checkThread checks InReplyTo and References, and the headers of the same names.
func (d Draft) checkThread() error {
	if d.InReplyTo != "" && !fitsOn(inReplyTo, bracketed(d.InReplyTo)) {
		return errNoMessageID("inReplyTo")
	}
	if len(d.References) > maxReferences {
		return fault.InvalidParam("references", "too_many_references", "a message takes at most 1000 references")
	}
	for i, id := range d.References {
		if !fitsOn(references, bracketed(id)) {
			return errNoMessageID(fmt.Sprintf("references[%d]", i))
		}
	}
	for name, value := range d.Headers {
		thread := strings.EqualFold(name, inReplyTo) || strings.EqualFold(name, references)
		switch {
		case !thread:
		case d.InReplyTo != "" || len(d.References) > 0:
			return fault.InvalidParam("headers."+name, "forbidden_header", "this header is made from inReplyTo and references")
		case !fitsOn(name, messageIDs(value)...):
			return fault.InvalidParam("headers."+name, "invalid_message_id", "this header takes ids of messages, such as <1@example.com>, on one line of 998 characters")
		}
	}
	return nil
}

func errNoMessageID(param string) error {
	return fault.InvalidParam(param, "invalid_message_id", "the id of a message must look like <1@example.com>")
}

// ThreadedHeaders returns the headers of the draft with those of its thread. They are ASCII, and of a
// length that fits on one line: not every provider folds a header. References that do not fit are left
// out, the oldest first, but for that of the first message of the thread (as in RFC 5537 §3.4.4).
func (d Draft) ThreadedHeaders() map[string]string {
	headers := map[string]string{}
	for name, value := range d.Headers {
		if strings.EqualFold(name, inReplyTo) || strings.EqualFold(name, references) {
			value = strings.Join(messageIDs(value), " ")
		}
		headers[name] = value
	}
	refers := make([]string, len(d.References))
	for i, id := range d.References {
		refers[i] = bracketed(id)
	}
	if d.InReplyTo != "" {
		headers[inReplyTo] = bracketed(d.InReplyTo)
		if len(refers) == 0 {
			refers = []string{bracketed(d.InReplyTo)}
		}
	}
	for len(refers) > 1 && !isShort(references, refers) {
		oldest := min(1, len(refers)-2)
		refers = slices.Delete(refers, oldest, oldest+1)
	}
	if len(refers) > 0 {
		headers[references] = strings.Join(refers, " ")
	}
	if len(headers) == 0 {
		return maps.Clone(d.Headers)
	}
	return headers
}

// bracketed returns the id of a message with its angle brackets, which callers may leave out.
func bracketed(id string) string {
	if strings.HasPrefix(id, "<") {
		return id
	}
	return "<" + id + ">"
}

// messageIDs splits the value of a header into the ids of messages.
func messageIDs(value string) []string {
	return strings.Fields(strings.ReplaceAll(value, "><", "> <"))
}

// fitsOn reports whether these are ids of messages, at least one, and the header fits on a line.
func fitsOn(header string, ids ...string) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !isMessageID(id) }) && isShort(header, ids)
}

func isShort(header string, ids []string) bool {
	length := len(header) + len(":")
	for _, id := range ids {
		length += len(" ") + len(id)
	}
	return length <= maxLine
}

// isMessageID reports whether s is the id of a message, in angle brackets. Not all ids that are in use keep
// to RFC 5322: beside an @ between two other characters, it takes all that can be printed but brackets.
func isMessageID(s string) bool {
	inner, opens := strings.CutPrefix(s, "<")
	inner, closes := strings.CutSuffix(inner, ">")
	at := strings.LastIndexByte(inner, '@')
	return opens && closes && at > 0 && at < len(inner)-1 &&
		!strings.ContainsFunc(inner, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' })
}
