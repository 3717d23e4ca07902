package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/core/logging"
)

// lines are the lines that the program may write to its log: the message of each, and the names of
// attributes, each with its place in the source.
type lines struct{ words, attributes map[string]string }

// paired has the logging methods that take a message as the argument with this number, and then
// names and values in turn.
var paired = map[string]int{
	"Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1, "Debug": 0, "DebugContext": 1,
}

// attributed has those that take a message after this many arguments, and then attributes.
var attributed = map[string]int{"LogAttrs": 2, "NewRecord": 2, "report": 1}

// constructors of attributes take the name first.
var constructors = []string{"String", "Int", "Int64", "Bool", "Duration", "Time", "Any"}

func (l lines) read(set *token.FileSet, tree *ast.File) {
	at := func(n ast.Node) string { return set.Position(n.Pos()).String() }
	ast.Inspect(tree, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			if f, ok := x.Fun.(*ast.SelectorExpr); ok {
				l.call(f, x.Args, at)
			}
		case *ast.KeyValueExpr: // of a logging.Repeated
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "Text" {
				if text := literal(x.Value); strings.Contains(text, " ") {
					l.words[text] = at(x)
				}
			}
		}
		return true
	})
}

func (l lines) call(f *ast.SelectorExpr, args []ast.Expr, at func(ast.Node) string) {
	name := f.Sel.Name
	if of, ok := f.X.(*ast.Ident); ok && of.Name == "logging" && name == "Request" {
		l.words[logging.RequestLine] = at(f)
	}
	if n, ok := paired[name]; ok && logs(f.X) && len(args) > n {
		if !strings.HasPrefix(name, "Debug") {
			l.words[literal(args[n])] = at(f)
		}
		for i := n + 1; i+1 < len(args); i += 2 {
			l.attributes[literal(args[i])] = at(args[i])
		}
	}
	if n, ok := attributed[name]; ok && len(args) > n && literal(args[n]) != "" {
		l.words[literal(args[n])] = at(f)
	}
	if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "slog" && slices.Contains(constructors, name) && len(args) == 2 {
		l.attributes[literal(args[0])] = at(f)
	}
}

// logs reports whether the name of an expression is that of a log.
func logs(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log"
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "log")
	}
	return false
}

// literal returns the text of a constant, or "" for any other expression.
func literal(x ast.Expr) string {
	l, ok := x.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return text
}

// written reads the log lines out of the source of the program.
func written(t *testing.T) lines {
	t.Helper()
	l := lines{map[string]string{}, map[string]string{}}
	for _, dir := range []string{"adapters", "app", "core", "config", "ports"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			tree, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err == nil {
				l.read(set, tree)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	delete(l.words, "")
	delete(l.attributes, "")
	if len(l.words) < 50 || len(l.attributes) < 30 {
		t.Fatalf("%d lines with %d attributes: the program has more, want at least 50 words, at least 30 attributes", len(l.words), len(l.attributes))
	}
	return l
}

// The log withholds attributes that it does not know, so that such a line would be useless.
func TestEveryAttributeOfTheLogIsKnown(t *testing.T) {
	t.Parallel()
	for name, at := range written(t).attributes {
		if !logging.Known(name) {
			t.Errorf("%s: the attribute %q is not in core/logging/attributes.go", at, name)
		}
	}
}

// explained matches the first cell of a row: a message in code, with two backquotes if it contains
// one.
var explained = regexp.MustCompile("(?m)^\\| (?:`([^`]+)`|``(.+?)``) \\|")

// The manual explains each line of the log, and what to do.
func TestEveryLineOfTheLogIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## The log\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	rows := map[string]bool{}
	for _, r := range explained.FindAllStringSubmatch(chapter, -1) {
		rows[r[1]+r[2]] = true
	}
	words := written(t).words
	for line, at := range words {
		if !rows[line] {
			t.Errorf("%s: docs/operations.md does not explain %q", at, line)
		}
	}
	for row := range rows {
		if words[row] == "" {
			t.Errorf("docs/operations.md explains %q, which nothing writes, want some", row)
		}
	}
}
