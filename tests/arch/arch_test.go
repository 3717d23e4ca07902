// Package arch checks the import rule: which package may import which. It reads the files
// themselves: go list would leave out files with build tags, and a cached test result would not
// notice a change.
package arch

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

func TestEveryPackageKeepsItsRule(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	files := 0
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if skipped(root, name) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := read(name, src)
		if err != nil {
			return err
		}
		files++
		for _, wrong := range check(f) {
			t.Error(wrong)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d files were seen: the walk is broken, want at least 20", files)
	}
}

// skipped reports whether a directory is one that go test ./... leaves out, or a module of its
// own.
func skipped(root fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") ||
		base == "testdata" || base == "node_modules"
}

func TestCheckFindsViolations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, src, want string }{
		{
			"a type imports a port", "core/payment/p.go", `package payment; import _ "patchbay/ports"`,
			"core/payment/p.go: imports patchbay/ports",
		},
		{
			"the core imports a library", "core/payments/p.go", `package payments; import _ "github.com/google/uuid"`,
			"core/payments/p.go: imports github.com/google/uuid",
		},
		{
			"a use case imports another", "core/webhooks/w.go", `package webhooks; import _ "patchbay/core/payments"`,
			"core/webhooks/w.go: imports patchbay/core/payments",
		},
		{
			"an adapter imports another", "adapters/payments/mockpay/m.go", `package mockpay; import _ "patchbay/adapters/storage/sqlitestore"`,
			"adapters/payments/mockpay/m.go: imports patchbay/adapters/storage/sqlitestore",
		},
		{
			"an adapter imports a use case", "adapters/mail/catchermail/c.go", `package catchermail; import _ "patchbay/core/emails"`,
			"adapters/mail/catchermail/c.go: imports patchbay/core/emails",
		},
		{
			"an adapter imports another one's SDK", "adapters/mail/catchermail/c.go", `package catchermail; import _ "modernc.org/sqlite"`,
			"adapters/mail/catchermail/c.go: imports modernc.org/sqlite",
		},
		{
			"an adapter without a rule of its own imports another one's SDK", "adapters/mail/acmemail/a.go", `package acmemail; import _ "github.com/stripe/stripe-go/v76/form"`,
			"adapters/mail/acmemail/a.go: imports github.com/stripe/stripe-go/v76/form",
		},
		{
			"an adapter imports the configuration", "adapters/mail/acmemail/a.go", `package acmemail; import _ "patchbay/config"`,
			"adapters/mail/acmemail/a.go: imports patchbay/config",
		},
		{
			"a setting imports a library", "config/setting/s.go", `package setting; import _ "go.yaml.in/yaml/v3"`,
			"config/setting/s.go: imports go.yaml.in/yaml/v3",
		},
		{
			"a name that only begins like a permitted one", "adapters/storage/sqlitestore/s.go", `package sqlitestore; import _ "modernc.org/sqlite3"`,
			"adapters/storage/sqlitestore/s.go: imports modernc.org/sqlite3",
		},
		{
			"fx outside of app", "adapters/httpapi/h.go", `package httpapi; import _ "go.uber.org/fx"`,
			"adapters/httpapi/h.go: imports go.uber.org/fx",
		},
		{
			"fx in a test outside of app", "tests/e2e/e_test.go", `package e2e; import _ "go.uber.org/fx/fxtest"`,
			"tests/e2e/e_test.go: imports go.uber.org/fx/fxtest",
		},
		{
			"a test below app imports app", "core/payments/p_test.go", `package payments_test; import _ "patchbay/app"`,
			"core/payments/p_test.go: imports patchbay/app",
		},
		{
			"a suite imports an adapter", "tests/contract/mailtest/m.go", `package mailtest; import _ "patchbay/adapters/clock"`,
			"tests/contract/mailtest/m.go: imports patchbay/adapters/clock",
		},
		{
			"a goroutine of its own", "core/webhooks/w.go", "package webhooks\nfunc f() { go g() }",
			"core/webhooks/w.go:2: a goroutine that core/guard does not start: a panic in it ends the process",
		},
		{
			"a wait group", "app/a.go", "package app\nfunc f(w *sync.WaitGroup) { w.Go(f) }",
			"app/a.go:2: sync.WaitGroup.Go: take guard.Group, a panic ends the process",
		},
		{
			"a timer", "core/webhooks/w.go", "package webhooks\nfunc f() { time.AfterFunc(1, f) }",
			"core/webhooks/w.go:2: time.AfterFunc: take guard.AfterFunc, a panic ends the process",
		},
		{
			"a record that is read in a way of its own", "core/webhooks/w.go", "package webhooks\nfunc f(r R) { json.Unmarshal(r.Body, nil) }",
			"core/webhooks/w.go:2: json.Unmarshal: what a store keeps is read by core/record alone",
		},
		{
			"a package without a rule", "core/billing/b.go", `package billing`,
			"core/billing/b.go: no rule for package core/billing in tests/arch",
		},
		{
			"a package that says nothing", "app/util/u.go", `package util`,
			"app/util/u.go: a package named util",
		},
		{
			"an adapter that registers itself", "adapters/clock/c.go", `package clock; func init() {}`,
			"adapters/clock/c.go: func init: the catalogue in app is explicit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(inspect(t, c.file, c.src), "\n"); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCheckAllowsWhatIsRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, src string }{
		{"the standard library", "core/money/m.go", `package money; import _ "math/big"`},
		{"a use case imports the worker", "core/webhooks/w.go", `package webhooks; import _ "patchbay/core/worker"`},
		{"an adapter imports a part of its SDK", "adapters/storage/sqlitestore/s.go", `package sqlitestore; import _ "modernc.org/sqlite/lib"`},
		{"an adapter without a rule of its own", "adapters/mail/acmemail/a.go", `package acmemail; import (_ "patchbay/adapters/provider"; _ "patchbay/config/setting"; _ "example.com/acme")`},
		{"a test imports its own package", "adapters/clock/c_test.go", `package clock_test; import _ "patchbay/adapters/clock"`},
		{
			"a test imports a suite and a real neighbour", "adapters/payments/mockpay/m_test.go",
			`package mockpay; import (_ "patchbay/tests/contract/mailtest"; _ "patchbay/adapters/storage/sqlitestore")`,
		},
		{"app imports fx", "app/app.go", `package app; import _ "go.uber.org/fx"`},
		{"a method named init", "adapters/clock/c.go", `package clock; type t int; func (t) init() {}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := inspect(t, c.file, c.src); len(got) > 0 {
				t.Errorf("got %q, want none", got)
			}
		})
	}
}

func inspect(t *testing.T, name, src string) []string {
	t.Helper()
	f, err := read(name, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return check(f)
}
