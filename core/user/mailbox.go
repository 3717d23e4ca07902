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
// A letter outside ASCII never becomes an ASCII letter alone: the dotted capital I and the Kelvin sign
// would, and one person's address would find another person's user. The former becomes an i with a dot.
func NormalizeEmail(email string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if low := unicode.ToLower(r); low >= utf8.RuneSelf || r < utf8.RuneSelf {
			return low
		}
		return r
	}, strings.TrimSpace(email)), dottedCapital, dottedSmall)
}

// The capital I with a dot, and its small letter, which is an i with the combining dot above.
const dottedCapital, dottedSmall = "\u0130", "i\u0307"

// Mailbox returns the form in which the spellings of one mailbox are equal, and the only one in which two
// addresses are compared: as NormalizeEmail returns it, with its local part composed and its domain in ASCII.
// ascii returns an address so written, or an error if it has no such form; nil stands for one that is always an
// error.
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

// Scripts writes an address in other letters. A nil function stands for one that always returns an error.
type Scripts struct {
	ASCII      func(email string) (string, error) // what Mailbox takes
	Unicode    func(email string) (string, error) // with its domain as people read it (RFC 5891)
	Decomposed func(email string) (string, error) // with its local part decomposed; an error if it is
}

// Mailbox is the function Mailbox with these scripts.
func (s Scripts) Mailbox(address string) string { return Mailbox(address, s.ASCII) }

// Spellings returns the forms in which a user with this mailbox may be stored. The first is that of Mailbox.
// An earlier version stored the form of NormalizeEmail, with the domain in the script that the caller chose, and
// the local part composed or not.
func (s Scripts) Spellings(address string) []string {
	mailbox := s.Mailbox(address)
	all := []string{mailbox, NormalizeEmail(address)}
	if s.Unicode != nil {
		if written, err := s.Unicode(mailbox); err == nil {
			all = append(all, NormalizeEmail(written))
		}
	}
	if s.Decomposed != nil {
		for _, one := range all {
			if written, err := s.Decomposed(one); err == nil {
				all = append(all, NormalizeEmail(written))
			}
		}
	}
	for _, one := range all { // an earlier version left the letter as it was
		all = append(all, strings.ReplaceAll(one, dottedSmall, dottedCapital))
	}
	slices.Sort(all[1:])
	all = append(all[:1], slices.DeleteFunc(all[1:], func(one string) bool { return one == mailbox })...)
	return slices.Compact(all)
}
