package sessim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/adapters/simulators/mailbox"
)

// The limits of the API: "Service quotas in Amazon SES" and "SendEmail" of the API v2. The 40 MB of a
// message are taken for those of its base64.
const (
	maxBody       = 42_000_000 // bytes of a request
	maxMessage    = 40_000_000 // bytes in base64
	maxRecipients = 50
	maxLine       = 1000 // bytes, with its end
	maxTag        = 256
	maxHeaders    = 15
	maxData       = 262_144 // bytes of the data of a template
)

// email contains the request fields that Patchbay may use. Any other field is refused.
type email struct {
	FromEmailAddress            string
	FromEmailAddressIdentityArn string
	Destination                 destination
	ReplyToAddresses            []string
	Content                     struct {
		Raw      *struct{ Data string }
		Template *templated
	}
	EmailTags            []tag
	ConfigurationSetName string

	sender string // the address of the header From, once the message is read
}

type destination struct{ ToAddresses, CcAddresses, BccAddresses []string }

type tag struct{ Name, Value string }

func parse(body []byte) (e email, bad *wrong) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return e, badRequest("The request is not valid: " + err.Error())
	}
	return e, nil
}

// everybody returns the addresses of all recipients.
func (d destination) everybody() (all []string) {
	for _, text := range slices.Concat(d.ToAddresses, d.CcAddresses, d.BccAddresses) {
		all = append(all, rfc5322.Bare(text))
	}
	return all
}

func (e email) check() *wrong {
	all := slices.Concat(e.Destination.ToAddresses, e.Destination.CcAddresses, e.Destination.BccAddresses)
	switch {
	case len(all) == 0:
		return badRequest("Must provide at least one recipient.")
	case len(all) > maxRecipients:
		return badRequest(fmt.Sprintf("Recipient count exceeds %d.", maxRecipients))
	case (e.Content.Raw == nil) == (e.Content.Template == nil):
		return badRequest("Exactly one of Raw, Simple and Template must be given.")
	}
	for _, text := range slices.Concat(all, e.ReplyToAddresses) {
		if bad := checkAddress(text); bad != nil {
			return bad
		}
	}
	seen := map[string]bool{}
	for _, t := range e.EmailTags {
		for _, text := range []string{t.Name, t.Value} {
			if !tagText.MatchString(text) || len(text) > maxTag {
				return badRequest("Invalid tag: only ASCII letters, numbers, underscores and dashes, at most 256.")
			}
		}
		if seen[t.Name] {
			return badRequest("Duplicate tag: " + t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

var tagText = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// checkAddress checks a mailbox: SES does not support SMTPUTF8.
func checkAddress(text string) *wrong {
	parsed, err := mail.ParseAddress(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r > 127 }) {
		return badRequest("Local address contains non-ASCII characters: '" + text + "'")
	}
	if err != nil || !strings.Contains(parsed.Address, "@") {
		return badRequest("Missing final '@domain' in '" + text + "'")
	}
	return nil
}

// message returns what SES sends, nil if a template cannot be rendered. It sets the sender.
func (s *Sim) message(e *email, id string) (*mailbox.Message, *wrong) {
	m := &mailbox.Message{To: e.Destination.everybody(), Reference: id, Variables: map[string]string{}}
	for _, t := range e.EmailTags {
		m.Variables[t.Name] = t.Value
		m.Tags = append(m.Tags, t.Name+"="+t.Value)
	}
	var bad *wrong
	if e.Content.Template != nil {
		var rendered bool
		if m.Raw, rendered, bad = s.render(e, id); bad != nil || !rendered {
			return nil, bad
		}
		m.Template = &mailbox.Template{Name: e.Content.Template.TemplateName, Variables: json.RawMessage(e.Content.Template.TemplateData)}
		return m, nil
	}
	m.Raw, bad = s.restamped(e, id)
	return m, bad
}

// once are the headers that stand at most once in a message, those of them that mail programs write.
var once = []string{
	"From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "DKIM-Signature", "List-Unsubscribe", "Return-Path",
}

// restamped returns a raw message with a Message-ID and a date of SES's own. A From and a Reply-To of
// the request take the place of those of the message.
func (s *Sim) restamped(e *email, id string) ([]byte, *wrong) {
	raw, err := base64.StdEncoding.DecodeString(e.Content.Raw.Data)
	switch {
	case err != nil || len(raw) == 0:
		return nil, badRequest("The raw message is not base64.")
	case len(e.Content.Raw.Data) > maxMessage:
		return nil, badRequest("Message length is more than 41943040 bytes long.")
	}
	for line := range bytes.Lines(raw) {
		if len(line) > maxLine {
			return nil, badRequest("Line length exceeds 1000 characters.")
		}
	}
	fields, body, err := rfc5322.Split(raw)
	if err != nil {
		return nil, &wrong{400, "MessageRejected", "The header of the message is malformed."}
	}
	own := map[string]string{"From": e.FromEmailAddress, "Reply-To": strings.Join(e.ReplyToAddresses, ", ")}
	var head bytes.Buffer
	fmt.Fprintf(&head, "Message-ID: <%s>\r\nDate: %s\r\n", s.messageID(id), s.options.Now().UTC().Format(time.RFC1123Z))
	seen := map[string]bool{}
	for _, f := range fields {
		for _, name := range once {
			if !f.Is(name) {
				continue
			}
			if seen[name] {
				return nil, &wrong{400, "MessageRejected", "Duplicate header '" + name + "'."}
			}
			seen[name] = true
		}
		if replaced(f, own) {
			continue
		}
		head.Write(f.Raw)
		if f.Is("From") {
			_, value, _ := strings.Cut(string(f.Raw), ":")
			e.sender = rfc5322.Bare(strings.TrimSpace(value))
		}
	}
	for name, value := range own {
		if value != "" {
			fmt.Fprintf(&head, "%s: %s\r\n", name, value)
		}
	}
	if e.FromEmailAddress != "" {
		e.sender = rfc5322.Bare(e.FromEmailAddress)
	}
	if e.sender == "" {
		return nil, badRequest("Missing required header 'From'.")
	}
	head.WriteString("\r\n")
	return append(head.Bytes(), body...), nil
}

// replaced reports whether SES writes a field itself.
func replaced(f rfc5322.Field, own map[string]string) bool {
	if f.Is("Message-ID") || f.Is("Date") {
		return true
	}
	for name, value := range own {
		if value != "" && f.Is(name) {
			return true
		}
	}
	return false
}
