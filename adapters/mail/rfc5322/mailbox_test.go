package rfc5322_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"patchbay/adapters/mail/rfc5322"
	"patchbay/core/user"
)

// However a character is composed, and in whichever case, it is in one mailbox, and never in that of ASCII letters.
func TestEachCharacterIsInOneMailbox(t *testing.T) {
	t.Parallel()
	mailbox := func(local string) string { return user.Mailbox(local+"@example.com", rfc5322.Composed) }
	for r := rune(utf8.RuneSelf); r < 0x30000; r++ {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) {
			continue
		}
		one := "a" + string(r) + "b"
		want := mailbox(one)
		if !strings.ContainsFunc(want, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Errorf("%U is compared as %+q", r, want)
			continue
		}
		spelled := []string{norm.NFC.String(one), norm.NFD.String(one)}
		if upper := unicode.ToUpper(r); unicode.ToLower(upper) == r { // another letter, otherwise
			spelled = append(spelled, "A"+string(upper)+"B", norm.NFD.String("A"+string(upper)+"B"))
		}
		for _, other := range append(spelled, strings.TrimSuffix(want, "@example.com")) {
			lookAlike := utf8.RuneCountInString(other) == 3 && !strings.ContainsFunc(other, func(r rune) bool { return r >= utf8.RuneSelf })
			if got := mailbox(other); got != want && !lookAlike { // the Kelvin sign is not a K
				t.Errorf("%U written %+q is compared as %+q, want %+q", r, other, got, want)
			}
		}
		for _, spelling := range (user.Scripts{ASCII: rfc5322.Composed, Unicode: rfc5322.Unicode, Decomposed: rfc5322.Decomposed}).Spellings(one + "@example.com") {
			if got := user.Mailbox(spelling, rfc5322.Composed); got != want {
				t.Errorf("%U is looked for as %+q, which is %+q, want %+q", r, spelling, got, want)
			}
		}
	}
}
