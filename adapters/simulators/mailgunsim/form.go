package mailgunsim

import (
	"bytes"
	"encoding/json"
	"net/mail"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/simulators/mailbox"
	"patchbay/core/email"
)

// parameters are the fields of a request to send a form, beside headers (h:) and variables (v:).
var parameters = []string{
	"from", "to", "cc", "bcc", "subject", "text", "html", "template", "t:version", "t:text", "t:variables", "recipient-variables",
	"o:tag", "o:testmode", "o:tracking", "o:tracking-clicks", "o:tracking-opens", "o:dkim", "o:require-tls", "o:skip-verification",
}

// reserved are the headers that have a field of their own, or that the message's encoding decides.
var reserved = []string{"From", "To", "Cc", "Bcc", "Subject", "Mime-Version", "Content-Type", "Content-Transfer-Encoding"}

// checkForm returns what is wrong with a request to send a form.
func (f fields) checkForm() (wrong string) {
	wrong = f.check(func(name string) bool {
		if header, ok := strings.CutPrefix(name, "h:"); ok {
			return !slices.ContainsFunc(reserved, func(r string) bool { return strings.EqualFold(r, header) })
		}
		return slices.Contains(parameters, name)
	})
	switch {
	case wrong != "":
		return wrong
	case f.first("from") == "":
		return "from parameter is missing"
	case addressOf(f.first("from")) == "":
		return badSender
	case f.first("text")+f.first("html")+f.first("template") == "":
		return "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"
	case f.first("html") != "" && f.first("template") != "":
		return "'html' and 'template' parameters cannot be specified together"
	case f.files["message"] != nil:
		return "unknown parameter message"
	}
	recipients, seen := 0, make(map[string]bool)
	for _, name := range []string{"to", "cc", "bcc"} {
		list, ok := f.addresses(name)
		if !ok {
			return badAddress(name)
		}
		recipients += len(list)
		for _, a := range list { // an address has one set of variables
			lower := strings.ToLower(a.Email)
			if f.first("recipient-variables") != "" && seen[lower] {
				return "'" + name + "' parameter has duplicate recipients"
			}
			seen[lower] = true
		}
	}
	if recipients > maxRecipients {
		return tooMany
	}
	for _, name := range []string{"t:variables", "recipient-variables"} {
		var object map[string]json.RawMessage
		if text := f.first(name); text != "" && json.Unmarshal([]byte(text), &object) != nil {
			return name + " is not a JSON object"
		}
	}
	return ""
}

// addresses returns the addresses of a field. It may be there several times, each with a list of
// addresses and names separated by commas. ok is false if one of them is not valid.
func (f fields) addresses(name string) (all []email.Address, ok bool) {
	for _, text := range f.values[name] {
		list, err := mail.ParseAddressList(text)
		if err != nil {
			return nil, false
		}
		for _, a := range list {
			if !isASCII(a.Address) {
				return nil, false
			}
			all = append(all, email.Address{Email: written(a), Name: a.Name})
		}
	}
	return all, true
}

// letters returns the messages of a valid form: one for all recipients, or, with recipient-variables,
// one for each address in to, which names no other.
func (f fields) letters(id string, now time.Time) ([]mailbox.Message, error) {
	to, _ := f.addresses("to") // checkForm has validated them
	own := f.first("recipient-variables")
	if own == "" {
		m, err := f.letter(id, now, to, func(text string) string { return text })
		return []mailbox.Message{m}, err
	}
	var byAddress map[string]json.RawMessage
	if err := json.Unmarshal([]byte(own), &byAddress); err != nil {
		return nil, err
	}
	all := make([]mailbox.Message, 0, len(to))
	for _, one := range to {
		m, err := f.letter(id, now, []email.Address{one}, merge(one, byAddress[one.Email]))
		if err != nil {
			return nil, err
		}
		m.RecipientVariables = byAddress[one.Email]
		all = append(all, m)
	}
	return all, nil
}

// letter returns the message of a form for some of the addresses in to. fill replaces the variables
// in a text.
func (f fields) letter(id string, now time.Time, to []email.Address, fill func(string) string) (mailbox.Message, error) {
	cc, _ := f.addresses("cc") // checkForm has validated them
	bcc, _ := f.addresses("bcc")
	from, _ := f.addresses("from")
	m := email.Message{
		From: from[0], To: to, Cc: cc, Subject: fill(f.first("subject")), Text: fill(f.first("text")), HTML: fill(f.first("html")),
		Headers: make(map[string]string), MessageID: id, CreatedAt: now,
	}
	for name, values := range f.values {
		header, ok := strings.CutPrefix(name, "h:")
		switch date, err := mail.ParseDate(values[0]); {
		case !ok:
		case strings.EqualFold(header, "Message-Id"):
			m.MessageID = strings.Trim(values[0], "<>")
		case strings.EqualFold(header, "Date") && err == nil:
			m.CreatedAt = date
		default:
			m.Headers[header] = fill(values[0])
		}
	}
	for _, a := range f.files["attachment"] {
		m.Attachments = append(m.Attachments, email.Attachment{Filename: a.name, ContentType: a.contentType, Content: a.content})
	}
	for _, a := range f.files["inline"] { // its name is its content id
		m.Attachments = append(m.Attachments, email.Attachment{Filename: a.name, ContentType: a.contentType, ContentID: a.name, Content: a.content})
	}
	var raw bytes.Buffer
	if err := rfc5322.Write(&raw, m); err != nil {
		return mailbox.Message{}, err
	}
	l := mailbox.Message{Raw: raw.Bytes(), Variables: f.variables()}
	for name, value := range l.Variables {
		l.Variables[name] = fill(value)
	}
	for _, a := range slices.Concat(to, cc, bcc) {
		l.To = append(l.To, a.Email)
	}
	if name := f.first("template"); name != "" {
		l.Template = &mailbox.Template{Name: name, Version: f.first("t:version")}
		if variables := f.first("t:variables"); variables != "" {
			l.Template.Variables = json.RawMessage(variables)
		}
	}
	return l, nil
}
