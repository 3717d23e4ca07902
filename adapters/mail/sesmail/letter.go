package sesmail

import (
	"bytes"
	"encoding/json"
	"strings"

	"patchbay/adapters/mail/labels"
	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
	"patchbay/core/fault"
)

// letter is a request of SendEmail.
type letter struct {
	// FromEmailAddress and ReplyToAddresses take the place of those in a raw message, and are not set
	// beside one.
	FromEmailAddress string      `json:"FromEmailAddress,omitempty"`
	FromARN          string      `json:"FromEmailAddressIdentityArn,omitempty"`
	Destination      destination `json:"Destination"`
	ReplyToAddresses []string    `json:"ReplyToAddresses,omitempty"`
	Content          content     `json:"Content"`
	Tags             []pair      `json:"EmailTags,omitempty"`
	ConfigurationSet string      `json:"ConfigurationSetName,omitempty"`
}

// destination is the envelope of a message: beside a raw one it changes no header.
type destination struct {
	To  []string `json:"ToAddresses,omitempty"`
	Cc  []string `json:"CcAddresses,omitempty"`
	Bcc []string `json:"BccAddresses,omitempty"`
}

// content is either of these.
type content struct {
	Raw      *raw      `json:"Raw,omitempty"`
	Template *template `json:"Template,omitempty"`
}

type raw struct {
	Data []byte `json:"Data"` // in base64
}

// pair is a message tag, which SES keeps with a message and shows in its events, or a header.
type pair struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// requestOf returns the request for a message. It returns Invalid if the message is not valid, and
// Unsupported if it must be made from a template in a way that SES has not.
func (s *Mailer) requestOf(m email.Message) ([]byte, error) {
	l := letter{FromARN: s.FromARN, ConfigurationSet: s.ConfigurationSet}
	for _, one := range labels.Of(m) {
		l.Tags = append(l.Tags, pair(one))
	}
	if err := s.addContent(&l, m); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		return nil, fault.New(fault.Invalid, "unwritable", "the message cannot be written")
	}
	return body.Bytes(), nil
}

// addContent adds what a message says: by its template if the account stores that, else as MIME.
func (s *Mailer) addContent(l *letter, m email.Message) error {
	name := s.Templates[m.TemplateID]
	if name == "" || m.Envelope != nil {
		return l.addRaw(m)
	}
	err := l.addTemplate(m, name)
	if fault.Is(err, fault.Unsupported) && m.HTML+m.Text != "" {
		return l.addRaw(m) // as it was rendered here
	}
	return err
}

// addRaw adds a message as MIME. Its recipients are those of the envelope, also where no header names
// them.
func (l *letter) addRaw(m email.Message) error {
	var b bytes.Buffer
	if err := rfc5322.Write(&b, m); err != nil {
		return err
	}
	l.Content.Raw = &raw{b.Bytes()}
	return l.address(m, withoutNames)
}

func withoutNames(list []email.Address) ([]string, error) {
	var all []string
	for _, a := range list {
		ascii, err := rfc5322.ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		all = append(all, ascii)
	}
	return all, nil
}

// address adds the recipients as write writes them, each once.
func (l *letter) address(m email.Message, write func([]email.Address) ([]string, error)) error {
	seen := make(map[string]bool)
	for _, list := range []struct {
		from []email.Address
		to   *[]string
	}{{m.To, &l.Destination.To}, {m.Cc, &l.Destination.Cc}, {m.Bcc, &l.Destination.Bcc}} {
		var fresh []email.Address
		for _, a := range list.from {
			ascii, err := rfc5322.ASCII(a.Email)
			if err != nil {
				return err
			}
			if lower := strings.ToLower(ascii); !seen[lower] {
				seen[lower] = true
				fresh = append(fresh, a)
			}
		}
		var err error
		if *list.to, err = write(fresh); err != nil {
			return err
		}
	}
	return nil
}
