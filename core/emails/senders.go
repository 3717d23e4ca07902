package emails

import (
	"slices"
	"strings"

	"patchbay/core/email"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// Senders says who may send as whom, and by which provider.
type Senders struct {
	// Domains are the domains that a provider sends for, by its name: shop.example. A provider that is
	// not in it sends for all.
	Domains map[string][]string
	// Allowed are the senders that a tenant may name, by its name: addresses, or domains as
	// *@shop.example. A tenant that is not in it may name any.
	Allowed map[string][]string
	// ASCII returns an address with its domain in ASCII, as Domains are. Invalid. Nil means that From is
	// in ASCII already.
	ASCII func(email string) (ascii string, err error)
}

// Wrap returns a provider that carries only what is from one of its domains.
func (s Senders) Wrap(m ports.Mailer) ports.Mailer {
	if domains, ok := s.Domains[m.Name()]; ok {
		return sendsFor{m, domains, s.ASCII}
	}
	return m
}

// check returns Invalid if the tenant may not send as this sender, in the form of user.Mailbox.
func (s Senders) check(tenant, from string) error {
	allowed, restricted := s.Allowed[tenant]
	if !restricted || matches(allowed, from) {
		return nil
	}
	return fault.InvalidParam("from", "sender_not_allowed", "this tenant may not send as this sender; see mail.senders")
}

// matches reports whether an address, in the form of user.Mailbox, is in a list of addresses, and of domains
// as *@example.com. The list is in ASCII, in capitals or not.
func matches(list []string, mailbox string) bool {
	domain := "*" + mailbox[strings.LastIndexByte(mailbox, '@'):]
	return slices.ContainsFunc(list, func(one string) bool { one = user.NormalizeEmail(one); return one == mailbox || one == domain })
}

// sendsFor is a provider that sends for some domains only.
type sendsFor struct {
	ports.Mailer
	domains []string
	ascii   func(string) (string, error)
}

// Available implements ports.Availability.
func (s sendsFor) Available() error { return ports.Available(s.Mailer) }

// Features implements ports.Mailer.
func (s sendsFor) Features() email.Features {
	f := s.Mailer.Features()
	f.SendsFor = s.sends
	return f
}

// sends reports whether the provider sends for an address, in whichever script its domain is written.
func (s sendsFor) sends(from string) bool {
	if s.ascii != nil {
		if ascii, err := s.ascii(from); err == nil {
			from = ascii
		}
	}
	domain := from[strings.LastIndexByte(from, '@')+1:]
	return slices.ContainsFunc(s.domains, func(one string) bool { return strings.EqualFold(one, domain) })
}
