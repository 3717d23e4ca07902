package mailgunmail

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/template"
)

// batch returns the copies of a message as one form. Their contents are variables of the recipients;
// the form itself only says where they stand. Because there are variables of recipients, Mailgun
// sends to each a message of its own, which names no other.
//
// Invalid with the code not_mergeable: Mailgun would not send the copies together as they are. Its
// Param is the personalization that prevents it, if it is one alone.
func batch(m email.Message) (*form, error) {
	f, err := newForm(m)
	if err != nil {
		return nil, err
	}
	if f.options > maxOptions {
		return nil, notMergeable("personalizations", "headers, tags and metadata take more than 16 kB")
	}
	if slices.ContainsFunc(m.Lines(), substituted) {
		return nil, notMergeable("personalizations", "a field has what Mailgun would replace")
	}
	variables, err := f.addCopies(m)
	if err != nil {
		return nil, err
	}
	f.add("recipient-variables", variables)
	f.add("subject", "%recipient.subject%")
	first := m.Personalizations[0].Content
	if first.Text != "" {
		f.add("text", "%recipient.text%")
	}
	if first.HTML != "" {
		f.add("html", "%recipient.html%")
	}
	return f, nil
}

// addCopies adds the recipients, and returns their variables: a JSON object by address.
func (f *form) addCopies(m email.Message) (string, error) {
	var variables strings.Builder
	seen := make(map[string]bool)
	for i, p := range m.Personalizations {
		param := fmt.Sprintf("personalizations[%d]", i)
		content, err := contentOf(m, i)
		if err != nil {
			return "", err
		}
		to, err := rfc5322.Mailboxes(p.To)
		if err != nil {
			return "", err
		}
		address, err := rfc5322.ASCII(p.To[0].Email)
		if err != nil {
			return "", err
		}
		switch lower := strings.ToLower(address); {
		case seen[lower]:
			return "", fault.InvalidParam(param, "duplicate_recipient", "an address may stand only once in the personalizations")
		case !plain.MatchString(address):
			return "", notMergeable(param, "Mailgun may not find the variables of such an address")
		case !mergeable(content, *m.Personalizations[0].Content):
			return "", notMergeable(param, "the content has what Mailgun would replace, or other parts than the first")
		default:
			seen[lower] = true
		}
		f.add("to", to...)
		fmt.Fprintf(&variables, `%s"%s":{"subject":"%s","text":"%s","html":"%s"}`, separator(i), address,
			escape.Replace(content.Subject), escape.Replace(content.Text), escape.Replace(content.HTML))
		if f.body.Len()+variables.Len() > maxForm {
			return "", notMergeable("personalizations", "the copies take more than 25 MB together")
		}
	}
	return "{" + variables.String() + "}", nil
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// contentOf returns the content of a copy, with the subject of the message if it has none.
func contentOf(m email.Message, i int) (template.Content, error) {
	p := m.Personalizations[i]
	if p.Content == nil {
		return template.Content{}, notMergeable(fmt.Sprintf("personalizations[%d]", i), "a copy has no content")
	}
	content := *p.Content
	content.Subject = cmp.Or(content.Subject, m.Subject)
	return content, nil
}

// only returns the only copy of a batch as a message, from whose recipient nobody need be hidden.
func only(m email.Message) (email.Message, error) {
	content, err := contentOf(m, 0)
	if err != nil {
		return email.Message{}, err
	}
	m.To, m.Subject, m.HTML, m.Text, m.Personalizations = m.Personalizations[0].To, content.Subject, content.HTML, content.Text, nil
	return m, nil
}

// escape writes text into a JSON string. It makes no escape that the text can do without: Mailgun is
// known not to decode those of the form \u0026.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// plain matches the addresses whose variables Mailgun finds. With other characters before the @, such
// as a +, it has been seen to send %recipient.text% itself:
// https://github.com/mailgun/mailgun.js/issues/413.
var plain = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+$`)

// replaced matches what Mailgun documents that it replaces in a message: %recipient%,
// %recipient_email%, %recipient.key%, %unsubscribe_url% and the like. It does not document whether it
// looks into the values of variables, too.
var replaced = regexp.MustCompile(`(?i)%(?:recipient[^%]*|\w*unsubscribe_\w+)%`)

func substituted(text string) bool { return strings.Contains(text, "%") && replaced.MatchString(text) }

// mergeable reports whether a content goes out unchanged beside the first one: the form names the
// parts for all copies, JSON has no way but an escape to write a control character, and none to write
// what is not UTF-8.
func mergeable(c, first template.Content) bool {
	if (c.Text == "") != (first.Text == "") || (c.HTML == "") != (first.HTML == "") {
		return false
	}
	return !slices.ContainsFunc([]string{c.Subject, c.Text, c.HTML}, func(text string) bool {
		return !utf8.ValidString(text) || substituted(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\n\r\t", r) })
	})
}

const notMergeableCode = "not_mergeable"

func notMergeable(param, why string) error {
	return fault.InvalidParam(param, notMergeableCode, "the copies cannot be sent together: "+why)
}
