package config_test

import (
	"errors"
	"strings"
	"testing"

	"patchbay/config"
	"patchbay/config/setting"
)

// FuzzLoad holds that any file and any variable either make a configuration
// that is whole, or mistakes that say something.
func FuzzLoad(f *testing.F) {
	for _, seed := range []struct{ text, variable string }{
		{"", ""},
		{"server: {address: \"127.0.0.1:1\"}\nauth: {mode: required}\n", "PATCHBAY_LOG__LEVEL=debug"},
		{"payments: {providers: [a-b], currencies: [usd]}\nproviders: {a-b: {type: acme, text: x, wait: 1s}}", "PATCHBAY_PROVIDERS__A_B__NUMBER=1"},
		{"providers: {mock: {webhook_secrets: [\"${A}\", \"${file:/nowhere}\"]}}", "A=1"},
		{"a: &a [*a]\n<<: *a\n? {b: c}\n: d\n", "PATCHBAY___=x"},
		{"log: {level: debug}\n---\nlog: {level: debug}\n...\n", "PATCHBAY_LOG__LEVEL__X=1"},
		{"log: !!null x\nmail: !!binary aGVsbG8=\n\xff", "PATCHBAY_PROVIDERS__=x"},
		{"- [{}, [[]], ~]\n", "PATCHBAY_A.B__[0]=x"},
		{"providers.a: {}\nproviders: {'': ~, a.b: {type: mock}, 'x[0]': [1]}\n", "PATCHBAY_PROVIDERS__MOCK=x"},
		{"server: [\n", "="},
	} {
		f.Add(seed.text, seed.variable)
	}
	f.Fuzz(func(t *testing.T, text, variable string) {
		c, err := load(t, text, variable)
		var mistakes config.Mistakes
		switch {
		case err == nil:
			whole(t, c)
		case !errors.As(err, &mistakes):
			t.Fatalf("error = %v, want Mistakes or none", err)
		case len(mistakes) == 0 || c != nil:
			t.Fatalf("got %d mistakes and the configuration %v, want mistakes alone", len(mistakes), c)
		}
		for i, m := range mistakes {
			if m.Text == "" || m.Line < 0 || m.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+3 {
				t.Errorf("mistake = %q, want a text, and a line of the file", m)
			}
			if i > 0 && m.Line < mistakes[i-1].Line {
				t.Errorf("mistake %q comes after %q, want them in the order of the file", m, mistakes[i-1])
			}
		}
		if again, twice := load(t, text, variable); (twice == nil) != (err == nil) || err != nil && twice.Error() != err.Error() {
			t.Errorf("the second error is %v, the first %v (%v), want the same", twice, err, again)
		}
	})
}

// whole fails unless everything that a gateway needs is there.
func whole(t *testing.T, c *config.Config) {
	t.Helper()
	for _, list := range [][]string{c.Payments.Providers, c.Mail.Providers, {c.Storage.Provider}} {
		for _, name := range list {
			if p := c.Provider[name]; p.Settings == nil || p.Name != name {
				t.Errorf("provider %q = %+v, want its name and settings", name, p)
			}
		}
	}
	if !setting.Loopback(c.Server.AdminAddress) || !setting.Loopback(c.Server.Address) && !c.KeysRequired() {
		t.Errorf("accepted without keys: %+v, want a loopback address", c.Server)
	}
}
