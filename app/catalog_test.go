package app_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"patchbay/adapters/mail/catchermail"
	"patchbay/adapters/payments/stripepay"
	"patchbay/adapters/provider"
	"patchbay/app"
	"patchbay/config/setting"
	"patchbay/ports"
)

func TestTheCatalogueIsCompleteAndUnambiguous(t *testing.T) {
	t.Parallel()
	if err := provider.Check(app.Types()); err != nil {
		t.Error(err)
	}
	for _, e := range app.Types() {
		// Settings that two providers share would make the second one's the first's.
		if d := e.Description(); d.Settings() == d.Settings() {
			t.Errorf("%s makes no settings of its own for each provider", d.Name)
		}
	}
}

func TestLoadRefusesAnIncompleteOrAmbiguousFurtherType(t *testing.T) {
	t.Parallel()
	acme := func(change func(m *provider.Mail)) provider.Mail {
		m := provider.Mail{
			Type: setting.Type{Name: "acme", Settings: func() any { return &catchermail.Settings{} }},
			New:  func(provider.Environment) (ports.Mailer, error) { return nil, nil },
		}
		change(&m)
		return m
	}
	settings := func(s any) func(*provider.Mail) {
		return func(m *provider.Mail) { m.Settings = func() any { return s } }
	}
	hook := func(ports.Clock, ...provider.Account) (provider.MailHook, error) { return nil, nil }
	for name, c := range map[string]struct {
		further []setting.Described
		want    string // a part of the error, empty for none
	}{
		"nil":                             {[]setting.Described{nil}, `a type of provider is a <nil>, and must be a provider.Payment`},
		"a nil pointer":                   {[]setting.Described{(*provider.Mail)(nil)}, `a type of provider is a *provider.Mail, and must be`},
		"a pointer":                       {[]setting.Described{pointerTo(acme(func(*provider.Mail) {}))}, `a type of provider is a *provider.Mail, and must be`},
		"settings that are nil":           {[]setting.Described{acme(settings(nil))}, `"acme": the func Settings returned a <nil>, and must return a pointer to a struct`},
		"settings that are a nil pointer": {[]setting.Described{acme(settings((*catchermail.Settings)(nil)))}, `"acme": the func Settings returned a nil *catchermail.Settings, and must`},
		"settings that are no pointer":    {[]setting.Described{acme(settings(catchermail.Settings{}))}, `"acme": the func Settings returned a catchermail.Settings, and must`},
		"settings that are no struct":     {[]setting.Described{acme(settings(new(int)))}, `"acme": the func Settings returned a *int, and must`},
		"a setting of an unsupported type": {[]setting.Described{acme(settings(&struct {
			F float64 `config:"f"`
		}{}))}, "the field F of struct"},
		"a complete type is accepted": {[]setting.Described{acme(func(*provider.Mail) {})}, ""},
		"no name":                     {[]setting.Described{acme(func(m *provider.Mail) { m.Name = "" })}, `"" is not a name`},
		"an invalid name":             {[]setting.Described{acme(func(m *provider.Mail) { m.Name = "Acme Mail" })}, `"Acme Mail" is not a name`},
		"a name twice":                {[]setting.Described{acme(func(*provider.Mail) {}), acme(func(*provider.Mail) {})}, `two types of provider called "acme"`},
		"the name of another type":    {[]setting.Described{acme(func(m *provider.Mail) { m.Name = "stripe" })}, `two types of provider called "stripe"`},
		"no factory":                  {[]setting.Described{acme(func(m *provider.Mail) { m.New = nil })}, `"acme" must be a provider.Payment`},
		"no settings":                 {[]setting.Described{acme(func(m *provider.Mail) { m.Settings = nil })}, `"acme" must be a provider.Payment`},
		"only described":              {[]setting.Described{acme(func(*provider.Mail) {}).Type}, `"acme" must be a provider.Payment`},
		"webhooks of its own format are accepted": {[]setting.Described{acme(func(m *provider.Mail) { m.Webhooks.Format, m.Webhooks.New = "acme", hook })}, ""},
		"the format of another type": {
			[]setting.Described{acme(func(m *provider.Mail) { m.Webhooks.Format, m.Webhooks.New = "stripe", hook })}, `"acme": another type reads webhooks of the format "stripe"`,
		},
		"webhooks without a format":   {[]setting.Described{acme(func(m *provider.Mail) { m.Webhooks.New = hook })}, `"acme": "" is not a name for a format`},
		"a format that nothing reads": {[]setting.Described{acme(func(m *provider.Mail) { m.Webhooks.Format = "acme" })}, `"acme": no type of provider for mail reads webhooks of the format "acme"`},
		"a format of payments":        {[]setting.Described{acme(func(m *provider.Mail) { m.Webhooks.Format = stripepay.Provider.Webhooks.Format })}, `"acme": no type of provider for mail reads webhooks of the format "stripe"`},
	} {
		c1, err := app.Load("", nil, c.further...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err == nil && len(c1.Types) != len(app.Types())+len(c.further) {
			t.Errorf("%s: the configuration has %d types", name, len(c1.Types))
		}
	}
}

func pointerTo(m provider.Mail) *provider.Mail { return &m }

func TestAnUnknownTypeIsReportedWithTheKnownTypes(t *testing.T) {
	t.Parallel()
	file := path.Join(t.TempDir(), "patchbay.yaml")
	if err := os.WriteFile(file, []byte("providers: {mine: {type: sqlight}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := app.Load(file, nil)
	if err == nil || !strings.Contains(err.Error(), `"sqlight"`) {
		t.Fatalf("%v", err)
	}
	for _, e := range app.Types() {
		if !strings.Contains(err.Error(), e.Description().Name) {
			t.Errorf("%v does not name %s", err, e.Description().Name)
		}
	}
}

// Every adapter that can be configured runs the suite of its port.
func TestEveryTypeIsHeldToItsContract(t *testing.T) {
	t.Parallel()
	for _, e := range app.Types() {
		t.Run(e.Description().Name, func(t *testing.T) {
			t.Parallel()
			name := path.Join(folder(e), "contract_test.go")
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(f.Decls, isTestContract) {
				t.Errorf("%s has no func TestContract(t *testing.T)", name)
			}
		})
	}
}

// folder returns the folder of a type: that of the function that makes its providers.
func folder(e setting.Described) string {
	function := runtime.FuncForPC(reflect.ValueOf(e).FieldByName("New").Pointer()).Name() // patchbay/adapters/mail/acmemail.init.func2
	dir, name := path.Split(strings.TrimPrefix(function, "patchbay/"))
	name, _, _ = strings.Cut(name, ".")
	return path.Join("..", dir, name)
}

func isTestContract(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Recv == nil && f.Name.Name == "TestContract" && len(f.Type.Params.List) == 1
}
