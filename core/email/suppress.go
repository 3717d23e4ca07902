package email

import (
	"slices"

	"patchbay/core/fault"
)

// Category says what a message is for, and so which suppressions stop it.
type Category string

// The categories.
const (
	Transactional Category = "transactional" // asked for or needed by the recipient: a receipt, a login code
	Marketing     Category = "marketing"
)

// check returns Invalid unless c is one of the categories, or empty.
func (c Category) check() error {
	if c != "" && c != Transactional && c != Marketing {
		return fault.InvalidParam("category", "invalid_category", "category must be transactional or marketing")
	}
	return nil
}

// CodeRecipientRejected is the code of an attempt at which the provider refused a recipient.
const CodeRecipientRejected = "recipient_rejected"

// Cause says why a recipient did not get a message, as far as the provider classifies it. Empty means
// that it does not.
type Cause string

// The causes.
const (
	// CauseAddress: there is no such mailbox, or no such domain.
	CauseAddress Cause = "address"
	// CauseOther: anything else, such as the content, the sender's reputation, or a full mailbox.
	CauseOther Cause = "other"
	// The provider did not try, because the address is on its own suppression list: for what happened
	// before.
	CauseBouncedBefore      Cause = "bounced_before"
	CauseComplainedBefore   Cause = "complained_before"
	CauseUnsubscribedBefore Cause = "unsubscribed_before"
)

// Suppress notes which recipients are suppressed: reasons has the reason of each suppressed address,
// as it is written in the message. It returns the recipients that were not suppressed before, as
// indexes into Recipients, and whether any recipient is left. One whom a provider has refused stays so.
func (m *Message) Suppress(reasons map[string]string) (fresh []int, left bool) {
	for i := range m.Recipients {
		r := &m.Recipients[i]
		reason := reasons[r.Email]
		if reason != "" && !r.leftOut() {
			fresh = append(fresh, i)
		}
		r.Suppressed = reason
	}
	return fresh, m.AnyLeft()
}

// SuppressedSince reports whether a recipient is suppressed now, by reasons as for Suppress, whom the last attempt
// did not leave out.
func (m *Message) SuppressedSince(reasons map[string]string) bool {
	return slices.ContainsFunc(m.Recipients, func(r Recipient) bool { return reasons[r.Email] != "" && !r.leftOut() })
}

// WithoutSuppressed returns the message as it is sent: without the suppressed recipients and those whom a
// provider has refused, and without the personalizations that lose all of theirs. If nobody is left in To, those
// in Cc take their place, and so does a single one in Bcc: no header shows more than it would have.
func (m Message) WithoutSuppressed() Message {
	out := make(map[string]bool)
	for _, r := range m.Recipients {
		if r.leftOut() {
			out[r.Email] = true
		}
	}
	if len(out) == 0 {
		return m
	}
	left := func(list []Address) []Address {
		return slices.DeleteFunc(slices.Clone(list), func(a Address) bool { return out[a.Email] })
	}
	m.To, m.Cc, m.Bcc = left(m.To), left(m.Cc), left(m.Bcc)
	if len(m.To) == 0 {
		m.To, m.Cc = m.Cc, nil
	}
	if len(m.To) == 0 && len(m.Bcc) == 1 {
		m.To, m.Bcc = m.Bcc, nil
	}
	m.Personalizations = slices.Clone(m.Personalizations)
	for i := range m.Personalizations {
		m.Personalizations[i].To = left(m.Personalizations[i].To)
	}
	m.Personalizations = slices.DeleteFunc(m.Personalizations, func(p Personalization) bool { return len(p.To) == 0 })
	return m
}

// SoleRecipient returns the recipient of a message that was accepted for exactly one.
func (m Message) SoleRecipient() (Recipient, bool) {
	if len(m.Recipients) != 1 {
		return Recipient{}, false
	}
	return m.Recipients[0], true
}
