package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/config"
)

// factories counts the factories of an entry, and says what they make.
func (e entry) factories() (n int, sort config.Sort) {
	if e.storage != nil {
		n, sort = n+1, config.ForStorage
	}
	if e.payment != nil {
		n, sort = n+1, config.ForPayments
	}
	if e.mail != nil {
		n, sort = n+1, config.ForMail
	}
	return n, sort
}

func TestEveryTypeHasOneFactoryAndANameOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, e := range catalog {
		if e.Name == "" || seen[e.Name] {
			t.Errorf("%q is no name, or another's", e.Name)
		}
		seen[e.Name] = true
		if n, sort := e.factories(); n != 1 || sort != e.Sort {
			t.Errorf("%s, for %s, has %d factories, for %s", e.Name, e.Sort, n, sort)
		}
		// Settings that two providers share would make the second one's the first's.
		if e.Settings == nil || e.Settings() == e.Settings() {
			t.Errorf("%s makes no settings of its own for each provider", e.Name)
		}
	}
}

func TestTheConfigurationKnowsTheCatalogue(t *testing.T) {
	t.Parallel()
	types := Types()
	if len(types) != len(catalog) {
		t.Fatalf("%d types, %d entries", len(types), len(catalog))
	}
	for i, e := range catalog {
		if types[i].Name != e.Name {
			t.Errorf("%s is shown as %s", e.Name, types[i].Name)
		}
		found, err := find(config.Provider{Name: "any", Type: types[i]})
		if n, sort := found.factories(); err != nil || found.Name != e.Name || n != 1 || sort != e.Sort {
			t.Errorf("%s: found %s, %v", e.Name, found.Name, err)
		}
	}
}

func TestAnUnknownTypeIsToldWhichThereAre(t *testing.T) {
	t.Parallel()
	file := path.Join(t.TempDir(), "patchbay.yaml")
	if err := os.WriteFile(file, []byte("providers: {mine: {type: sqlight}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, configured := config.Load(file, nil, Types())
	_, found := find(config.Provider{Name: "mine", Type: config.Type{Name: "sqlight"}})
	for _, err := range []error{configured, found} {
		if err == nil || !strings.Contains(err.Error(), `"sqlight"`) {
			t.Fatalf("%v", err)
		}
		for _, e := range catalog {
			if !strings.Contains(err.Error(), e.Name) {
				t.Errorf("%v does not name %s", err, e.Name)
			}
		}
	}
}

// An adapter that anybody can configure keeps its port's contract, or it is
// only thought to. What the factories call is read from the source: most could
// not be called here, for want of a server or of a key.
func TestEveryTypeIsHeldToItsContract(t *testing.T) {
	t.Parallel()
	adapters := adaptersOf(t, os.DirFS("."))
	if len(adapters) != len(catalog) {
		t.Fatalf("the source has %d entries, the catalogue %d", len(adapters), len(catalog))
	}
	for _, e := range catalog {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			if len(adapters[e.Name]) == 0 {
				t.Fatal("its factory makes no adapter")
			}
			for _, adapter := range adapters[e.Name] {
				name := path.Join(adapter, "contract_test.go")
				f, err := parser.ParseFile(token.NewFileSet(), path.Join("..", name), nil, 0)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(f.Decls, isTestContract) {
					t.Errorf("%s has no func TestContract(t *testing.T)", name)
				}
			}
		})
	}
}

func isTestContract(d ast.Decl) bool {
	f, ok := d.(*ast.FuncDecl)
	return ok && f.Recv == nil && f.Name.Name == "TestContract" && len(f.Type.Params.List) == 1
}

// adaptersOf maps the name of each entry in the catalogue's source to the
// packages of adapters that its factory calls, itself or through functions of
// this package.
func adaptersOf(t *testing.T, dir fs.FS) map[string][]string {
	t.Helper()
	source := readSource(t, dir)
	out := make(map[string][]string)
	for _, element := range source.catalog.Elts {
		var name string
		var adapters []string
		for _, field := range element.(*ast.CompositeLit).Elts {
			pair := field.(*ast.KeyValueExpr)
			switch key := pair.Key.(*ast.Ident).Name; key {
			case "Type":
				name = nameIn(t, pair.Value)
			case "storage", "payment", "mail":
				adapters = source.calls(pair.Value, make(map[string]bool))
			default:
				t.Fatalf("an entry has a field %s, which this test does not know", key)
			}
		}
		out[name] = append(out[name], adapters...)
	}
	return out
}

// nameIn reads Name out of config.Type{...}.
func nameIn(t *testing.T, e ast.Expr) string {
	t.Helper()
	for _, field := range e.(*ast.CompositeLit).Elts {
		pair := field.(*ast.KeyValueExpr)
		if pair.Key.(*ast.Ident).Name == "Name" {
			name, err := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			return name
		}
	}
	t.Fatal("a type has no name")
	return ""
}

// source is what this package says.
type source struct {
	catalog *ast.CompositeLit
	funcs   map[string]*ast.FuncDecl
	imports map[string]string // of adapters, by the name under which they are used
}

func readSource(t *testing.T, dir fs.FS) source {
	t.Helper()
	s := source{funcs: make(map[string]*ast.FuncDecl), imports: make(map[string]string)}
	names, err := fs.Glob(dir, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, raw, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			imported := strings.Trim(i.Path.Value, `"`)
			if adapter, ok := strings.CutPrefix(imported, "patchbay/"); ok && strings.HasPrefix(adapter, "adapters/") {
				as := path.Base(imported)
				if i.Name != nil {
					as = i.Name.Name
				}
				s.imports[as] = adapter
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					s.funcs[n.Name.Name] = n
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "catalog" {
					s.catalog, _ = n.Values[0].(*ast.CompositeLit)
				}
			}
			return true
		})
	}
	if s.catalog == nil {
		t.Fatal("there is no catalogue in the source")
	}
	return s
}

// calls lists the adapters of a sort (adapters/mail/x, not adapters/x, which
// serve them all) whose functions are called in a piece of source.
func (s source) calls(in ast.Node, seen map[string]bool) (adapters []string) {
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			of, ok := n.X.(*ast.Ident)
			if adapter := s.imports[nameOf(of, ok)]; strings.Count(adapter, "/") == 2 && !slices.Contains(adapters, adapter) {
				adapters = append(adapters, adapter)
			}
		case *ast.Ident:
			if f := s.funcs[n.Name]; f != nil && !seen[n.Name] {
				seen[n.Name] = true
				adapters = append(adapters, s.calls(f.Body, seen)...)
			}
		}
		return true
	})
	return adapters
}

func nameOf(i *ast.Ident, ok bool) string {
	if !ok {
		return ""
	}
	return i.Name
}
