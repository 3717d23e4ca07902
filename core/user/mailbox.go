package user

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NormalizeEmail returns an address without surrounding space and in lower case. No provider is known that
// distinguishes case in the local part.
//
// A letter outside ASCII never becomes an ASCII letter: the dotted capital I and the Kelvin sign
// would, and one person's address would find another person's user.
func NormalizeEmail(email string) string {
	return strings.Map(func(r rune) rune {
		if low := unicode.ToLower(r); low >= utf8.RuneSelf || r < utf8.RuneSelf {
			return low
		}
		return r
	}, strings.TrimSpace(email))
}

// Mailbox returns the form in which the spellings of one mailbox are equal, and the only one in which two
// addresses are compared: as NormalizeEmail returns it, and with its domain in ASCII. ascii returns an address
// with its domain in ASCII, or an error if it has none; nil stands for one that is always an error.
func Mailbox(address string, ascii func(email string) (string, error)) string {
	address = NormalizeEmail(address)
	if ascii == nil {
		return address
	}
	if written, err := ascii(address); err == nil {
		return NormalizeEmail(written)
	}
	return address
}

// Scripts writes the domain of an address in another script. A nil function stands for one that always
// returns an error.
type Scripts struct {
	ASCII   func(email string) (string, error) // as the DNS has it (RFC 5891)
	Unicode func(email string) (string, error) // as people read it
}

// Mailbox is the function Mailbox with these scripts.
func (s Scripts) Mailbox(address string) string { return Mailbox(address, s.ASCII) }

// Spellings returns the forms in which a user with this mailbox may be stored. The first is that of Mailbox.
// An earlier version stored the form of NormalizeEmail, with the domain in the script that the caller chose.
func (s Scripts) Spellings(address string) []string {
	mailbox := s.Mailbox(address)
	all := []string{mailbox, NormalizeEmail(address)}
	if s.Unicode != nil {
		if written, err := s.Unicode(mailbox); err == nil {
			all = append(all, NormalizeEmail(written))
		}
	}
	slices.Sort(all[1:])
	all = append(all[:1], slices.DeleteFunc(all[1:], func(one string) bool { return one == mailbox })...)
	return slices.Compact(all)
}
