package email_test

import (
	"strings"
	"testing"
	"unicode"

	"patchbay/core/email"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       email.Address
	}{
		{"bare", "ada@example.com", email.Address{Email: "ada@example.com"}},
		{"in brackets", "<ada@example.com>", email.Address{Email: "ada@example.com"}},
		{"with a name", "Ada <ada@example.com>", email.Address{Email: "ada@example.com", Name: "Ada"}},
		{"with a name of two words", "Ada Lovelace <ada@example.com>", email.Address{Email: "ada@example.com", Name: "Ada Lovelace"}},
		{"with a quoted name", `"Lovelace, Ada" <ada@example.com>`, email.Address{Email: "ada@example.com", Name: "Lovelace, Ada"}},
		{"with a foreign name", "Юлия <ada@example.com>", email.Address{Email: "ada@example.com", Name: "Юлия"}},
		{"with an encoded name", "=?utf-8?q?J=C3=BCrgen?= <ada@example.com>", email.Address{Email: "ada@example.com", Name: "Jürgen"}},
		{"with a name as a comment", "ada@example.com (Ada)", email.Address{Email: "ada@example.com", Name: "Ada"}},
		{"a quoted local part with a blank", `"ada l"@example.com`, email.Address{Email: `"ada l"@example.com`}},
		{"a quoted local part with two dots", `"foo..bar"@example.ne.jp`, email.Address{Email: `"foo..bar"@example.ne.jp`}},
		{"a quoted local part that needs no quotes", `"ada"@example.com`, email.Address{Email: "ada@example.com"}},
		{"a name before a quoted local part", `Foo <"foo..bar"@example.ne.jp>`, email.Address{Email: `"foo..bar"@example.ne.jp`, Name: "Foo"}},
		{"its case stays", "Ada.L@Example.com", email.Address{Email: "Ada.L@Example.com"}},
		{"of an international domain", "ada@bücher.example", email.Address{Email: "ada@bücher.example"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := email.ParseAddress(tt.text); err != nil || got != tt.want {
				t.Errorf("%q: %+v (%v), want %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, code string }{
		{"nothing", "", "invalid_address"},
		{"no address", "Ada", "invalid_address"},
		{"two addresses", "ada@example.com, eve@example.com", "invalid_address"},
		{"a line end", "ada@example.com\r\nBcc: eve@example.com", "invalid_address"},
		{"a line end that folds", "Ada\r\n <ada@example.com>", "invalid_address"},
		{"a zero byte", "Ada\x00 <ada@example.com>", "invalid_address"},
		{"letters that run backwards", "ada\u202e@example.com", "invalid_address"},
		{"a line end in an encoded name", "=?utf-8?q?Ada=0D=0AX-Eve=3A_1?= <ada@example.com>", "invalid_name"},
		{"a line end in an encoded comment", "ada@example.com (=?utf-8?q?Ada=0D=0AX-Eve:?=)", "invalid_name"},
		{"a line end of Unicode in an encoded name", "=?iso-8859-1?q?Ada=85?= <ada@example.com>", "invalid_name"},
		{"bytes that are no text in an encoded name", "=?utf-8?q?=FF?= <ada@example.com>", "invalid_name"},
		{"a name of 201 characters", strings.Repeat("a", 201) + " <ada@example.com>", "invalid_name"},
		{"an address of 255 bytes", strings.Repeat("a", 243) + "@example.com", "invalid_address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := email.ParseAddress(tt.text)
			refused(t, err, "", tt.code)
			if got != (email.Address{}) {
				t.Errorf("%+v beside the error", got)
			}
		})
	}
}

// Whatever is read can be sent: it passes Check, and nothing in it ends a header.
// A tab may stand in a name, as in any header.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", "Ada <ada@example.com>", `"Lovelace, Ada" <ada@example.com>`, "ada@example.com (Ada)",
		"=?utf-8?q?Ada=0D=0ABcc=3A?= <a@b>", "a@b (=?utf-8?b?DQo=?=)", "=?iso-8859-1?q?=85?= <a@b>", "=?utf-8?q?=FF?= <a@b>",
		`"a b"@c`, "a@[127.0.0.1]", "g: a@b;", "a\u0085@b", "a\u2028@b", "a@b\r\n", `"a\` + "\r" + `" <a@b>`, "\"a\tb\" <a@b>", "a@b\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := email.ParseAddress(text)
		if err != nil {
			if a != (email.Address{}) {
				t.Errorf("%q: %+v beside %v", text, a, err)
			}
			return
		}
		if strings.ContainsFunc(a.Email+strings.ReplaceAll(a.Name, "\t", ""), func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
		}) {
			t.Errorf("%q: %+v holds a control character", text, a)
		}
		d := plain()
		d.To = []email.Address{a}
		if err := d.Check(); err != nil {
			t.Errorf("%q: %+v is read but not taken: %v", text, a, err)
		}
		if again, err := email.ParseAddress(a.Email); err != nil || again.Email != a.Email {
			t.Errorf("%q: %q alone is %+v (%v)", text, a.Email, again, err)
		}
	})
}

// A draft that is taken holds nothing in any header that ends it, wherever a
// caller puts it.
func FuzzCheck(f *testing.F) {
	f.Add("a", "X-A", "v")
	f.Add("a\r\nBcc: b@c", "X-A\r\nBcc", "v\n")
	f.Add("a\u0085b", "Bcc", "\x00")
	f.Add("a\tb", "x_y", "\u2029")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		fields := map[string]func(*email.Draft){
			"subject":     func(d *email.Draft) { d.Subject = text },
			"name":        func(d *email.Draft) { d.To[0].Name = text },
			"email":       func(d *email.Draft) { d.To[0].Email = text },
			"header":      header(name, value),
			"filename":    attached(func(a *email.Attachment) { a.Filename = text }),
			"contentType": attached(func(a *email.Attachment) { a.ContentType = text }),
			"contentId":   attached(func(a *email.Attachment) { a.ContentID = text }),
			"tag":         func(d *email.Draft) { d.Tags = []string{text} },
			"metadata":    metadata(name, value),
		}
		for field, change := range fields {
			d := plain()
			change(&d)
			written := text
			if field == "header" || field == "metadata" {
				written = name + value
			}
			if d.Check() == nil && strings.ContainsAny(written, "\r\n\x00\x7f\u0085\u2028\u2029") {
				t.Errorf("%s: %q is taken", field, written)
			}
		}
	})
}
