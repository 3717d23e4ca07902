package email

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"patchbay/core/fault"
)

// Safe returns Invalid if a text that goes into a header contains a line break. Draft.Check has
// already checked that; an adapter whose provider writes the headers checks again, because the
// provider may not.
func (m Message) Safe() error {
	for _, line := range m.Lines() {
		if !oneLine(line) {
			return fault.New(fault.Invalid, "line_break", "a field of the message has more than one line")
		}
	}
	return nil
}

// Lines returns the texts of the message that go into headers, or to the provider as separate
// fields.
func (m Message) Lines() []string {
	lines := []string{m.Subject, m.MessageID, m.From.Name, m.From.Email}
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc, m.ReplyTo} {
		for _, a := range list {
			lines = append(lines, a.Name, a.Email)
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

// blanked replaces a text that may identify a person.
const blanked = "[…]"

// Blank removes from text, which a provider or a server wrote about the message, its subject and
// everything that identifies its sender and recipients: the addresses, their local parts, which
// servers like to repeat alone, and the names, word by word.
func (m Message) Blank(text string) string {
	who := []string{m.Subject}
	for _, a := range slices.Concat([]Address{m.From}, m.To, m.Cc, m.Bcc, m.ReplyTo) {
		local, _, _ := strings.Cut(a.Email, "@")
		who = append(append(who, a.Email, local, a.Name), strings.Fields(a.Name)...)
	}
	who = slices.DeleteFunc(who, func(one string) bool { return len(one) < 3 })
	if len(who) == 0 {
		return text
	}
	slices.SortFunc(who, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // longest first
	for i, one := range who {
		who[i] = regexp.QuoteMeta(one)
	}
	return regexp.MustCompile("(?i)"+strings.Join(who, "|")).ReplaceAllString(text, blanked)
}
