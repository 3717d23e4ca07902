package sendgridmail

import (
	"encoding/base64"

	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/email"
)

// letterOf returns the message in SendGrid's format: one personalization, so that the
// recipients in To see each other. Empty fields are left out. It returns Invalid if the
// message is not valid.
func letterOf(m email.Message) (*mail.SGMailV3, error) {
	if err := m.Safe(); err != nil {
		return nil, err
	}
	letter, all := mail.NewV3Mail(), mail.NewPersonalization()
	for _, list := range []struct {
		add  func(...*mail.Email)
		from []email.Address
	}{
		{all.AddTos, m.To},
		{all.AddCCs, m.Cc},
		{all.AddBCCs, m.Bcc},
		{func(from ...*mail.Email) { letter.SetFrom(from[0]) }, []email.Address{m.From}},
		{func(to ...*mail.Email) { replyTo(letter, to) }, m.ReplyTo},
	} {
		mailboxes, err := mailboxesOf(list.from)
		if err != nil {
			return nil, err
		}
		list.add(mailboxes...)
	}
	for key, value := range m.Marks() {
		all.SetCustomArg(key, value)
	}
	for key, value := range m.Metadata {
		all.SetCustomArg(key, value)
	}
	letter.AddPersonalizations(all)
	letter.Subject = m.Subject
	for _, part := range []struct{ kind, text string }{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		if part.text != "" {
			letter.AddContent(mail.NewContent(part.kind, part.text))
		}
	}
	for _, a := range m.Attachments {
		letter.AddAttachment(attachment(a))
	}
	letter.AddCategories(m.Tags...)
	letter.SetHeader("Message-ID", "<"+m.MessageID+">")
	for name, value := range m.Headers {
		letter.SetHeader(name, value)
	}
	return letter, nil
}

func replyTo(letter *mail.SGMailV3, to []*mail.Email) {
	switch len(to) {
	case 0:
	case 1:
		letter.SetReplyTo(to[0])
	default: // SendGrid refuses both fields together
		letter.SetReplyToList(to)
	}
}

func mailboxesOf(list []email.Address) ([]*mail.Email, error) {
	out := make([]*mail.Email, len(list))
	for i, a := range list {
		ascii, err := rfc5322.ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		out[i] = mail.NewEmail(a.Name, ascii)
	}
	return out, nil
}

func attachment(a email.Attachment) *mail.Attachment {
	out := mail.NewAttachment().SetContent(base64.StdEncoding.EncodeToString(a.Content)).
		SetType(a.ContentType).SetFilename(a.Filename).SetDisposition("attachment")
	if a.ContentID != "" {
		out.SetDisposition("inline").SetContentID(a.ContentID)
	}
	return out
}
