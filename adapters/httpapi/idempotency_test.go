package httpapi_test

import (
	"strings"
	"testing"

	"patchbay/adapters/httpapi"
	"patchbay/core/fault"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 255)
	for _, row := range []struct {
		name, header, want string
		ok                 bool
	}{
		{"none", ``, ``, true},
		{"bare, as most clients write it", `8e03978e-40d5`, `8e03978e-40d5`, true},
		{"quoted, as the standard has it", `"8e03978e-40d5"`, `8e03978e-40d5`, true},
		{"quotes and backslashes inside", `"a\"b\\c"`, `a"b\c`, true},
		{"an escaped backslash before an escaped quote", `"a\\\"b"`, `a\"b`, true},
		{"blanks and marks", `order 7 | try:1~`, `order 7 | try:1~`, true},
		{"a quote that is never closed is part of it", `"k`, `"k`, true},
		{"a single quotation mark", `"`, `"`, true},
		{"one character", `k`, `k`, true},
		{"255 characters", long, long, true},
		{"255 characters in quotes", `"` + long + `"`, long, true},
		{"256 characters", long + `k`, ``, false},
		{"256 characters in quotes", `"` + long + `k"`, ``, false},
		{"255 characters once they are unescaped", `"` + strings.Repeat(`\"`, 255) + `"`, strings.Repeat(`"`, 255), true},
		{"nothing in quotes", `""`, ``, false},
		{"a tab", "a\tb", ``, false},
		{"a line end", "a\r\nb", ``, false},
		{"a zero", "a\x00b", ``, false},
		{"delete", "a\x7fb", ``, false},
		{"a control character in quotes", "\"a\x1fb\"", ``, false},
		{"letters beyond ASCII", `schön`, ``, false},
		{"bytes that are no text", "a\xffb", ``, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := httpapi.ParseKey(row.header)
			if got != row.want || (err == nil) != row.ok {
				t.Fatalf("%q, %v", got, err)
			}
			if f := fault.From(err); !row.ok && (f.Kind != fault.Invalid || f.Code != "invalid_idempotency_key" || f.Param != "Idempotency-Key") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Whatever comes in, a key that is taken can stand in a record and a log, and
// is the same key when it is written by the standard.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{``, `k`, `"k"`, `"`, `""`, `"\""`, `"a\\"`, `\"`, "a\tb", "\xff", `schön`, strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, header string) {
		key, err := httpapi.ParseKey(header)
		switch {
		case err != nil && (key != "" || !fault.Is(err, fault.Invalid)):
			t.Fatalf("%q refused with %q, %v", header, key, err)
		case err != nil:
			return
		case (key == "") != (header == ""):
			t.Fatalf("%q is the key %q", header, key)
		case key == "":
			return
		case len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }):
			t.Fatalf("%q gives the key %q", header, key)
		}
		if again, err := httpapi.ParseKey(`"` + quote.Replace(key) + `"`); err != nil || again != key {
			t.Fatalf("%q is %q, and in quotes %q, %v", header, key, again, err)
		}
	})
}
