package sendgridmail

import (
	"strings"

	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"patchbay/core/email"
	"patchbay/core/fault"
)

// personalizations returns one personalization for each copy of a batch, whose recipients do not see
// each other; and one for any other message, whose recipients in To do. Each has the marks of the
// message: SendGrid's id of the message is the same for all of them.
//
// Invalid: an address is not valid, or belongs to two copies.
func personalizations(m email.Message) ([]*mail.Personalization, error) {
	if len(m.Personalizations) == 0 {
		one, err := personalization(m, m.To, m.Cc, m.Bcc)
		return []*mail.Personalization{one}, err
	}
	all := make([]*mail.Personalization, len(m.Personalizations))
	seen := make(map[string]bool)
	for i, p := range m.Personalizations {
		one, err := personalization(m, p.To, nil, nil)
		if err != nil {
			return nil, err
		}
		for _, to := range one.To {
			// SendGrid refuses it within a personalization, and otherwise sends both copies.
			lower := strings.ToLower(to.Address)
			if seen[lower] {
				return nil, fault.InvalidParam("personalizations", "duplicate_recipient", "an address may stand only once in the personalizations")
			}
			seen[lower] = true
		}
		all[i] = one
	}
	return all, nil
}

func personalization(m email.Message, to, cc, bcc []email.Address) (*mail.Personalization, error) {
	one := mail.NewPersonalization()
	for _, list := range []struct {
		add func(...*mail.Email)
		of  []email.Address
	}{{one.AddTos, to}, {one.AddCCs, cc}, {one.AddBCCs, bcc}} {
		mailboxes, err := mailboxesOf(list.of)
		if err != nil {
			return nil, err
		}
		list.add(mailboxes...)
	}
	for key, value := range m.Variables() {
		one.SetCustomArg(key, value)
	}
	return one, nil
}
