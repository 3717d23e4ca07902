package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// calls returns the calls in a file of the gateway that must be made in one common way and are
// not, one in a line.
func calls(fset *token.FileSet, name string, tree *ast.File) []string {
	if strings.HasSuffix(name, "_test.go") || !gateways(name) {
		return nil
	}
	var wrong []string
	report := func(at token.Pos, text string) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: %s", name, fset.Position(at).Line, text))
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !guarded(n.Call) {
				report(n.Pos(), "a goroutine that core/guard does not start: a panic in it ends the process")
			}
		case *ast.CallExpr:
			switch {
			case isWaitGroupGo(n):
				report(n.Pos(), "sync.WaitGroup.Go: take guard.Group, a panic ends the process")
			case isCall(n, "time", "AfterFunc") && !guarded(n) && !exempt(name, timers):
				report(n.Pos(), "time.AfterFunc: take guard.AfterFunc, a panic ends the process")
			case isCall(n, "json", "Unmarshal") && keepsRecords(name) && !exempt(name, requests):
				report(n.Pos(), "json.Unmarshal: what a store keeps is read by core/record alone")
			}
		}
		return true
	})
	return wrong
}

// gateways reports whether a file belongs to the gateway, and not to its tests, to a simulated
// provider, or to core/guard.
func gateways(name string) bool {
	for _, dir := range []string{"core/", "adapters/", "app/", "config/"} {
		if strings.HasPrefix(name, dir) {
			return !strings.HasPrefix(name, "adapters/simulators/") && name != "core/guard/guard.go" && name != "app/cli/run.go"
		}
	}
	return false
}

// keepsRecords reports whether a file belongs to a package that reads records of a store, except
// core/record itself.
func keepsRecords(name string) bool {
	if strings.HasPrefix(name, "core/record/") {
		return false
	}
	for _, dir := range []string{"core/", "adapters/storage/", "adapters/payments/mockpay/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

// The exceptions, and why.
var (
	// Timers call a function of a few lines that takes a lock and releases it.
	timers = []string{"adapters/storage/pgstore/batch.go"}
	// Requests are read from the network, not from the store.
	requests = []string{"adapters/payments/mockpay/earlier.go", "core/emails/template.go"}
)

func exempt(name string, files []string) bool {
	for _, f := range files {
		if f == name {
			return true
		}
	}
	return false
}

// guarded reports whether a call is of a function literal that hands its work to core/guard.
func guarded(call *ast.CallExpr) (by bool) {
	literal := func(e ast.Expr) {
		if f, ok := e.(*ast.FuncLit); ok {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && (isCall(c, "guard", "Do") || isCall(c, "guard", "Call")) {
					by = true
				}
				return !by
			})
		}
	}
	literal(call.Fun)
	for _, arg := range call.Args {
		literal(arg)
	}
	return by
}

func isCall(c *ast.CallExpr, pkg, name string) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// isWaitGroupGo reports whether a call has the form x.Go(f). This includes that of guard.Group.
func isWaitGroupGo(c *ast.CallExpr) bool {
	s, ok := c.Fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Go" && len(c.Args) == 1
}
