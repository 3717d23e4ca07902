package handlebars

import (
	"fmt"
	"slices"

	"github.com/mailgun/raymond/v2/ast"

	"patchbay/core/template"
)

// vet returns the mistakes that can be seen without data: helpers that are not there, used in the
// wrong way, or not in allowed, unless that is nil; and what no target can render alike.
func vet(part template.Part, program *ast.Program, allowed []string) []Mistake {
	v := vetting{part: part, allowed: allowed}
	v.program(program, 0)
	return v.mistakes
}

type vetting struct {
	part     template.Part
	allowed  []string
	mistakes []Mistake
}

func (v *vetting) add(at ast.Node, format string, args ...any) {
	v.mistakes = append(v.mistakes, Mistake{v.part, at.Location().Line, fmt.Sprintf(format, args...)})
}

func (v *vetting) program(p *ast.Program, depth int) {
	if p == nil {
		return
	}
	if depth > maxDepth {
		v.add(p, "there are more than %d blocks within each other", maxDepth)
		return
	}
	for _, n := range p.Body {
		switch n := n.(type) {
		case *ast.MustacheStatement:
			v.expression(n.Expression, false)
		case *ast.BlockStatement:
			v.expression(n.Expression, true)
			v.program(n.Program, depth+1)
			v.program(n.Inverse, depth+1)
		case *ast.PartialStatement:
			v.add(n, "a partial takes a name alone, as in {{> header}}, and there must be a file for it")
		}
	}
}

// expression vets {{name arguments}}, in a block or not. A name without arguments is a key.
func (v *vetting) expression(x *ast.Expression, block bool) {
	name, known := x.HelperName(), false
	var h helper
	if name != "" {
		h, known = helpers[name]
	}
	called := len(x.Params) > 0 || x.Hash != nil
	switch {
	case !called && known:
		v.add(x, "%s is a helper and takes arguments; a key of that name is written this.%s", name, name)
	case !called:
		v.argument(x.Path)
		return
	case !known:
		v.add(x, "there is no helper %s", x.Canonical())
	case v.allowed != nil && !slices.Contains(v.allowed, name):
		v.add(x, "the helper %s is not known there", name)
	case h.block != block && h.block:
		v.add(x, "the helper %s opens a block: {{#%s}}", name, name)
	case h.block != block:
		v.add(x, "the helper %s opens no block", name)
	case x.Hash != nil:
		v.add(x, "the helper %s takes no named arguments", name)
	case len(x.Params) < h.min || len(x.Params) > h.max:
		v.add(x, "the helper %s takes %d to %d arguments", name, h.min, h.max)
	}
	for _, p := range x.Params {
		v.argument(p)
	}
}

func (v *vetting) argument(n ast.Node) {
	switch n := n.(type) {
	case *ast.SubExpression:
		v.expression(n.Expression, false)
	case *ast.PathExpression:
		if n.Data && !n.IsDataRoot() && !slices.Contains([]string{"index", "key", "first", "last"}, n.Parts[0]) {
			v.add(n, "there is no %s", n.Original)
		}
	}
}
