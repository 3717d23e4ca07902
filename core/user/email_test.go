package user_test

import (
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode"

	"patchbay/core/fault"
	"patchbay/core/user"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestEmail(t *testing.T) {
	t.Parallel()
	// 64 characters before the sign, the rest in labels of at most 63.
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 61)+".", 3)
	tests := []struct {
		name, written string
		stored        string // empty: refused
	}{
		{"as it should be", "ada@example.com", "ada@example.com"},
		{"in upper case", "Ada.Lovelace@Example.COM", "ada.lovelace@example.com"},
		{"with space around", " \t ada@example.com \n", "ada@example.com"},
		{"with a tag", "ada+shop@example.com", "ada+shop@example.com"},
		{"with dots, which mean something elsewhere", "a.d.a@example.com", "a.d.a@example.com"},
		{"with all the signs that a name may have", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"of an international domain", "ada@BÜCHER.example", "ada@bücher.example"},
		{"of an international domain in ASCII, which stays", "ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"},
		{"of an international name", "ЮЛИЯ@example.com", "юлия@example.com"},
		{"of a domain without a dot", "ada@localhost", "ada@localhost"},
		{"of 254 bytes", long + strings.Repeat("c", 254-len(long)), long + strings.Repeat("c", 254-len(long))},

		{"of 255 bytes", long + strings.Repeat("c", 255-len(long)), ""},
		{"of 254 characters in more bytes", strings.Repeat("é", 242) + "@example.com", ""},
		{"nothing", "", ""},
		{"only space", "   ", ""},
		{"no sign", "ada.example.com", ""},
		{"no name", "@example.com", ""},
		{"no domain", "ada@", ""},
		{"two signs", "ada@eve@example.com", ""},
		{"two addresses", "ada@example.com, eve@example.com", ""},
		{"two dots", "ada..l@example.com", ""},
		{"a dot at the end", "ada@example.com.", ""},
		{"with a display name", "Ada <ada@example.com>", ""},
		{"in brackets", "<ada@example.com>", ""},
		{"with a comment", "ada@example.com (Ada)", ""},
		{"a quoted name, which could hold anything", `"ada l"@example.com`, ""},
		{"a space inside", "ada l@example.com", ""},
		{"a line end inside", "ada@example.com\r\nBcc: eve@example.com", ""},
		{"a carriage return inside", "ada\r@example.com", ""},
		{"a zero byte", "ada\x00@example.com", ""},
		{"a line end of Unicode (NEL)", "ada\u0085l@example.com", ""},
		{"a line separator of Unicode", "ada\u2028l@example.com", ""},
		{"a space that does not break", "ada\u00a0l@example.com", ""},
		{"a space of no width, which nobody sees", "ada\u200bl@example.com", ""},
		{"letters that run backwards", "ada\u202el@example.com", ""},
		{"bytes that are no text", "ada\xff@example.com", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := user.New("usr_1", "acme", tt.written, "", nil, now)
			if tt.stored == "" {
				refused(t, err, "email", "invalid_email")
				return
			}
			if err != nil || u.Email != tt.stored {
				t.Errorf("%q is stored as %q (%v), want %q", tt.written, u.Email, err, tt.stored)
			}
		})
	}
}

// The dotted capital I and the Kelvin sign are the two letters outside ASCII
// whose small letter is within. Whoever owns the address with the one must not
// be found by, or take the place of, whoever owns the other: a link to set a new
// password would go to the wrong mailbox.
func TestLookAlikesAreOthers(t *testing.T) {
	t.Parallel()
	for written, other := range map[string]string{
		"adm\u0130n@example.com": "admin@example.com",
		"\u212aate@example.com":  "kate@example.com",
		"ada@\u212aate.example":  "ada@kate.example",
	} {
		if got := user.NormalizeEmail(written); got == other {
			t.Errorf("%q is compared as %q", written, got)
		}
	}
}

func refused(t *testing.T, err error, param, code string) {
	t.Helper()
	if f := fault.From(err); !fault.Is(err, fault.Invalid) || f.Param != param || f.Code != code {
		t.Errorf("%v, want invalid (%s) at %s", err, code, param)
	}
}

// What is stored is one plain address that is stored as itself, and is the
// address that was written: only its case and the space around it may differ.
func FuzzEmail(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", " Ada@Example.com\n", "Ada <ada@example.com>", `"a b"@example.com`, "ada@bücher.example",
		"a\r\nBcc: b@c", "adm\u0130n@example.com", "\u212a@example.com", "a\u0085@b", "a@[127.0.0.1]", "a@b (c)", "a\xff@b",
		"=?utf-8?q?=0A?=@b", "ΑΣ@example.com", "\u1e9e@example.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		u, err := user.New("usr_1", "acme", written, "", nil, now)
		if err != nil {
			refused(t, err, "email", "invalid_email")
			return
		}
		if again := user.NormalizeEmail(u.Email); again != u.Email {
			t.Errorf("%q is stored as %q, and that as %q", written, u.Email, again)
		}
		if strings.ContainsFunc(u.Email, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
			t.Errorf("%q holds what nobody can see", u.Email)
		}
		parsed, err := mail.ParseAddress(strings.TrimSpace(written))
		if err != nil || !strings.EqualFold(strings.ReplaceAll(parsed.Address, "\u0130", "i\u0307"), u.Email) {
			t.Errorf("%q is stored as %q, but is %v (%v)", written, u.Email, parsed, err)
		}
	})
}
