package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/adapters/httpapi"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 255)
	for _, row := range []struct {
		name, header, want string
		ok                 bool
	}{
		{"nothing", ``, ``, false},
		{"blanks", `   `, ``, false},
		{"blanks in quotes", `"  "`, ``, false},
		{"bare, as most clients write it", `8e03978e-40d5`, `8e03978e-40d5`, true},
		{"quoted, as the standard has it", `"8e03978e-40d5"`, `8e03978e-40d5`, true},
		{"quotes and backslashes inside", `"a\"b\\c"`, `a"b\c`, true},
		{"an escaped backslash before an escaped quote", `"a\\\"b"`, `a\"b`, true},
		{"blanks and marks", `order 7 | try:1~`, `order 7 | try:1~`, true},
		{"a quotation mark within a bare one", `k"1"`, `k"1"`, true},
		{"a quote that is never closed", `"k`, ``, false},
		{"a quote that is closed by an escaped mark", `"k\"`, ``, false},
		{"a single quotation mark", `"`, ``, false},
		{"a parameter after it", `"k";a=1`, ``, false},
		{"a list of two", `"k", "l"`, ``, false},
		{"a mark inside that is not escaped", `"a"b"`, ``, false},
		{"an escape that RFC 8941 does not have", `"a\nb"`, ``, false},
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
				t.Fatalf("got %q, error %v, want %q, valid %v", got, err, row.want, row.ok)
			}
			if f := fault.From(err); !row.ok && (f.Kind != fault.Invalid || f.Code != "invalid_idempotency_key" || f.Param != "Idempotency-Key") {
				t.Errorf("got %v, want kind %s with code invalid_idempotency_key", err, fault.Invalid)
			}
		})
	}
}

// Whatever is sent: a key that is accepted can be stored and logged, and is the same key when it
// is written as the standard demands.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{`k`, `"k"`, `"`, `""`, `"\""`, `"a\\"`, `\"`, "a\tb", "\xff", `schön`, strings.Repeat("k", 256)} {
		f.Add(seed)
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, header string) {
		key, err := httpapi.ParseKey(header)
		switch {
		case err != nil && (key != "" || !fault.Is(err, fault.Invalid)):
			t.Fatalf("%q: got key %q, error %v, want no key and kind %s", header, key, err, fault.Invalid)
		case err != nil:
			return
		case key == "":
			t.Fatalf("%q gives no key, want a refusal", header)
		case len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }):
			t.Fatalf("%q: got key %q, want at most 255 printable ASCII characters", header, key)
		}
		if again, err := httpapi.ParseKey(`"` + quote.Replace(key) + `"`); err != nil || again != key {
			t.Fatalf("%q in quotes: got %q, error %v, want %q", header, again, err, key)
		}
	})
}

// A caller who sends an Idempotency-Key relies on it. Anything but exactly one valid key is
// refused, and nothing is executed.
func TestOneIdempotencyKeyOrNone(t *testing.T) {
	t.Parallel()
	r := serve(t)
	const (
		key   = "Idempotency-Key:"
		value = "order-7"
	)
	scoped := idempotency.New("default", "POST /api/users", value, nil).Scoped
	for _, row := range []struct {
		name, headers string
		scoped        string
		ok            bool
	}{
		{"none", "", "", true},
		{"one", key + " order-7\r\n", scoped, true},
		{"one in quotes", key + " \"order-7\"\r\n", scoped, true},
		{"one without a blank before it", key + "order-7\r\n", scoped, true},
		{"one among blanks and tabs", key + " \t order-7 \t \r\n", scoped, true},
		{"in small letters", "idempotency-key: order-7\r\n", scoped, true},
		{"in capitals", "IDEMPOTENCY-KEY: order-7\r\n", scoped, true},
		{"empty", key + "\r\n", "", false},
		{"a blank", key + " \r\n", "", false},
		{"tabs", key + "\t\t\r\n", "", false},
		{"nothing in quotes", key + " \"\"\r\n", "", false},
		{"twice with different values", key + " order-7\r\n" + key + " order-8\r\n", "", false},
		{"twice the same", key + " order-7\r\n" + key + " order-7\r\n", "", false},
		{"twice, in two spellings of its name", key + " order-7\r\nidempotency-key: order-8\r\n", "", false},
		{"one and an empty one", key + " order-7\r\n" + key + "\r\n", "", false},
		{"an empty one and one", key + "\r\n" + key + " order-7\r\n", "", false},
		{"with a parameter", key + " \"order-7\";a=1\r\n", "", false},
		{"with a quote that is not closed", key + " \"order-7\r\n", "", false},
		{"a list", key + " \"order-7\", \"order-8\"\r\n", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(r.users.all())
			a := r.raw(t, "POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+row.headers+
				fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(ada), ada))
			if !row.ok {
				a.refused(t, 400, "invalid_idempotency_key", "Idempotency-Key")
				if len(r.users.all()) != before {
					t.Errorf("the repository was asked, want %v calls", before)
				}
				return
			}
			if got := r.users.last(t); a.status != 201 || got.key != row.scoped {
				t.Errorf("%d %s: the key is %q, want %q", a.status, a.body, got.key, row.scoped)
			}
		})
	}
}
