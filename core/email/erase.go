package email

import "time"

const (
	// Erased replaces text that was erased on a person's request.
	Erased = "erased"
	// ErasedAddress replaces the person's address. It can never exist (RFC 2606).
	ErasedAddress = Erased + "@" + erasedDomain
	erasedDomain  = "erased.invalid"
)

// Erase removes the message's content, and the addresses that are the person's; the addresses of
// others stay. What remains is that there was a message, when, and how each attempt to send it
// ended.
func (m *Message) Erase(theirs func(email string) bool, now time.Time) {
	if m.ErasedAt.IsZero() { // a second person of the same message may ask later
		m.ErasedAt = now
	}
	m.Subject, m.HTML, m.Text = Erased, "", ""
	m.Headers, m.Attachments, m.Tags, m.Metadata, m.Parts = nil, nil, nil, nil, 0
	if theirs(m.From.Email) {
		m.MessageID = m.ID + "@" + erasedDomain // it contained the domain of the address
		m.From = Address{Email: ErasedAddress}
	}
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc, m.ReplyTo} {
		for i := range list {
			if theirs(list[i].Email) {
				list[i] = Address{Email: ErasedAddress}
			}
		}
	}
	for i := range m.Recipients {
		if r := &m.Recipients[i]; theirs(r.Email) {
			r.Email = ErasedAddress
		}
		for n := range m.Recipients[i].Fates {
			m.Recipients[i].Fates[n].Reason = ""
		}
	}
	for i := range m.Attempts {
		m.Attempts[i].Message, m.Attempts[i].Answer = "", nil
	}
}

// Concerns reports whether one of the message's addresses is the person's.
func (m *Message) Concerns(theirs func(email string) bool) bool {
	if theirs(m.From.Email) {
		return true
	}
	for _, list := range [][]Address{m.To, m.Cc, m.Bcc, m.ReplyTo} {
		for _, a := range list {
			if theirs(a.Email) {
				return true
			}
		}
	}
	return false
}
