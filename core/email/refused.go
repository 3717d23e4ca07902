package email

import (
	"fmt"
	"slices"
)

// RefusedRecipients are the recipients whom a provider refused by name, at an attempt that sent nothing to
// anybody. It is the cause of an error that is Invalid with CodeRecipientRejected: the provider refused
// these for good, and has said nothing against the others.
type RefusedRecipients []RefusedRecipient

// RefusedRecipient is one of them.
type RefusedRecipient struct {
	Email  string // as the provider was given it
	Code   string // SMTP status or reply code: 5.1.1, or 550
	Reason string // in the words of the provider, without addresses
}

// Error implements error. It names nobody, because errors are logged.
func (r RefusedRecipients) Error() string {
	return fmt.Sprintf("recipients refused by name: %d", len(r))
}

// Refuse notes that a provider has refused a recipient by name: no later attempt is for this recipient. It
// reports whether that is new.
func (r *Recipient) Refuse(f Fate) (fresh bool) {
	if r.Refused != nil {
		return false
	}
	r.Refused = &f
	return true
}

// leftOut reports whether no attempt is for this recipient.
func (r *Recipient) leftOut() bool { return r.Suppressed != "" || r.Refused != nil }

// AnyLeft reports whether the message is still for anybody: a recipient who is neither suppressed nor
// refused by name.
func (m *Message) AnyLeft() bool {
	left := func(r Recipient) bool { return !r.leftOut() }
	return len(m.Recipients) == 0 || slices.ContainsFunc(m.Recipients, left) // an earlier version wrote no recipients
}

// HasRefused reports whether a provider has refused a recipient by name since a person last queued the
// message.
func (m *Message) HasRefused() bool {
	return slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return r.Refused != nil })
}

// ForgetRefused lets the next attempt be for those too whom a provider has refused.
func (m *Message) ForgetRefused() {
	for i := range m.Recipients {
		m.Recipients[i].Refused = nil
	}
}

// KeepRefused takes over who was refused from the message that m is a copy of.
func (m *Message) KeepRefused(from []Recipient) {
	for i := range m.Recipients {
		r := &m.Recipients[i]
		for _, f := range from {
			if f.Email == r.Email && f.Personalization == r.Personalization {
				r.Refused = f.Refused
			}
		}
	}
}
