package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "patchbay"

// file is the part of a source file that the rules look at.
type file struct {
	dir     string // from the module's root: that is the package, without the module's name
	name    string
	pkg     string // by its package clause
	imports []string
	inits   bool // has a func init
	calls   []string
}

func read(name string, src []byte) (file, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	f := file{dir: path.Dir(name), name: name, pkg: tree.Name.Name, calls: calls(fset, name, tree)}
	for _, i := range tree.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return file{}, fmt.Errorf("%s: %w", name, err)
		}
		f.imports = append(f.imports, imported)
	}
	f.inits = slices.ContainsFunc(tree.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && fn.Name.Name == "init"
	})
	return f, nil
}

// check returns the violations in a file, one in a line.
func check(f file) []string {
	wrong := slices.Clone(f.calls)
	if slices.Contains(strings.Fields(badNames), strings.TrimSuffix(f.pkg, "_test")) {
		wrong = append(wrong, fmt.Sprintf("%s: a package named %s", f.name, f.pkg))
	}
	if f.inits && strings.HasPrefix(f.dir, "adapters/") {
		wrong = append(wrong, f.name+": func init: the catalogue in app is explicit")
	}
	i := slices.IndexFunc(rules, func(r rule) bool { return covers(r.pkg, f.dir) })
	if i < 0 {
		return append(wrong, fmt.Sprintf("%s: no rule for package %s in tests/arch", f.name, f.dir))
	}
	for _, imported := range f.imports {
		if !allowed(f, rules[i], imported) {
			wrong = append(wrong, fmt.Sprintf("%s: imports %s", f.name, imported))
		}
	}
	return wrong
}

func allowed(f file, r rule, imported string) bool {
	test := strings.HasSuffix(f.name, "_test.go")
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case first == module:
		ours := strings.TrimPrefix(imported, module+"/")
		own := test && ours == f.dir
		return own || within(r.ours, ours) || test && within(inTests, ours)
	case !strings.Contains(first, "."): // the standard library
		return true
	case imported == fx || strings.HasPrefix(imported, fx+"/"):
		return covers("app/...", f.dir)
	case r.others == unclaimed:
		return test || !slices.ContainsFunc(rules, func(other rule) bool { return names(other, imported) })
	default:
		return test || r.others == anything || names(r, imported)
	}
}

// names reports whether a rule names a package of others.
func names(r rule, imported string) bool {
	return slices.ContainsFunc(strings.Fields(r.others), func(lib string) bool { return covers(lib+"/...", imported) })
}

// within reports whether one of a set of packages covers pkg.
func within(set, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(set), func(pattern string) bool { return covers(pattern, pkg) })
}

// covers reports whether a pattern is pkg, or ends in "/..." and pkg is at or
// below what is before that.
func covers(pattern, pkg string) bool {
	top, below := strings.CutSuffix(pattern, "/...")
	return pkg == top || below && strings.HasPrefix(pkg, top+"/")
}
