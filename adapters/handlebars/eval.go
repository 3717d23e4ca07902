package handlebars

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mailgun/raymond/v2/ast"

	"patchbay/core/fault"
	"patchbay/core/template"
)

// evaluation renders one part of a template. A failure unwinds it by a panic with an *aborted.
type evaluation struct {
	name    string
	part    template.Part
	missing template.Missing
	root    any
	escapes bool

	out     strings.Builder
	steps   int
	line    int
	lenient bool // a missing key is the answer to a question, not a mistake
}

// aborted ends an evaluation.
type aborted struct{ err error }

// frame is a context: what {{this}} is within a block.
type frame struct {
	value any
	names map[string]any // block parameters: {{#each items as |item|}}
	loop  *loop          // of the innermost each
	up    *frame
}

// loop is where an each is.
type loop struct {
	index, last int
	key         any // nil in an array
	up          *loop
}

func (e *evaluation) run(p *ast.Program) (out string, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *aborted:
			err = r.err
		default:
			panic(r)
		}
	}()
	e.program(p, &frame{value: e.root})
	return e.out.String(), nil
}

func (e *evaluation) fail(code, text string) {
	panic(&aborted{fault.New(fault.Invalid, code, e.where(text))})
}

func (e *evaluation) where(text string) string {
	return fmt.Sprintf("the template %s, %s, line %d: %s", e.name, e.part, e.line, text)
}

// absent is the value of a key that the data lack.
func (e *evaluation) absent(path string) any {
	if e.missing == template.MissingIsEmpty || e.lenient {
		return nil
	}
	panic(&aborted{fault.InvalidParam("templateData."+path, "template_key_missing", e.where("there is no value for "+path))})
}

func (e *evaluation) program(p *ast.Program, f *frame) {
	if p == nil {
		return
	}
	for _, n := range p.Body {
		if e.steps++; e.steps > maxSteps || e.out.Len() > maxOutput {
			e.fail("template_too_large", "it prints too much")
		}
		e.line = n.Location().Line
		switch n := n.(type) {
		case *ast.ContentStatement:
			e.out.WriteString(n.Value)
		case *ast.MustacheStatement:
			text := e.text(e.expression(n.Expression, f))
			if e.escapes && !n.Unescaped {
				text = escaper.Replace(text)
			}
			e.out.WriteString(text)
		case *ast.BlockStatement:
			e.block(n, f)
		}
	}
}

// escaper escapes as Handlebars does.
var escaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;",
)

// block evaluates {{#name arguments}}…{{else}}…{{/name}}.
func (e *evaluation) block(b *ast.BlockStatement, f *frame) {
	h, ok := helpers[b.Expression.HelperName()]
	called := ok && len(b.Expression.Params) > 0
	if called && h.holds != nil {
		if h.holds(e, e.arguments(b.Expression, h, f)) {
			e.program(b.Program, f)
		} else {
			e.program(b.Inverse, f)
		}
		return
	}
	if called {
		v := e.arguments(b.Expression, h, f)[0]
		if b.Expression.HelperName() == "each" {
			e.each(b, v, f)
		} else {
			e.with(b, v, f)
		}
		return
	}
	e.section(b, f)
}

// section evaluates {{#key}}…{{/key}}: once for each element of an array, else with what the key has.
func (e *evaluation) section(b *ast.BlockStatement, f *frame) {
	lenient := e.lenient
	e.lenient = true
	v := e.expression(b.Expression, f)
	e.lenient = lenient
	if list, ok := v.([]any); ok {
		e.each(b, list, f)
		return
	}
	if v == true {
		e.program(b.Program, f)
		return
	}
	e.with(b, v, f)
}

func (e *evaluation) with(b *ast.BlockStatement, v any, f *frame) {
	if v == nil || v == false || v == "" {
		e.program(b.Inverse, f)
		return
	}
	e.program(b.Program, &frame{value: v, names: parameters(b.Program, v), loop: f.loop, up: f})
}

// each evaluates a block for each element of an array or, by the order of their names, each member
// of an object.
func (e *evaluation) each(b *ast.BlockStatement, v any, f *frame) {
	var keys []string
	list, _ := v.([]any)
	switch object := v.(type) {
	case map[string]any:
		keys = slices.Sorted(maps.Keys(object))
		for _, k := range keys {
			list = append(list, object[k])
		}
	case nil, []any:
	default:
		e.fail("template_data_invalid", "each takes an array or an object")
	}
	if len(list) == 0 {
		e.program(b.Inverse, f)
		return
	}
	for i, item := range list {
		l := &loop{index: i, last: len(list) - 1, up: f.loop}
		second := any(float64(i))
		if keys != nil {
			l.key, second = keys[i], keys[i]
		}
		e.program(b.Program, &frame{value: item, names: parameters(b.Program, item, second), loop: l, up: f})
	}
}

func parameters(p *ast.Program, values ...any) map[string]any {
	if p == nil || len(p.BlockParams) == 0 {
		return nil
	}
	names := make(map[string]any, len(values))
	for i, value := range values {
		if i < len(p.BlockParams) {
			names[p.BlockParams[i]] = value
		}
	}
	return names
}

// expression evaluates what stands in a mustache.
func (e *evaluation) expression(x *ast.Expression, f *frame) any {
	if len(x.Params) == 0 {
		return e.node(x.Path, f)
	}
	h := helpers[x.HelperName()]
	return h.value(e, e.arguments(x, h, f))
}

func (e *evaluation) arguments(x *ast.Expression, h helper, f *frame) []any {
	lenient := e.lenient
	e.lenient = h.lenient
	defer func() { e.lenient = lenient }()
	args := make([]any, len(x.Params))
	for i, p := range x.Params {
		args[i] = e.node(p, f)
	}
	return args
}

func (e *evaluation) node(n ast.Node, f *frame) any {
	switch n := n.(type) {
	case *ast.PathExpression:
		return e.path(n, f)
	case *ast.SubExpression:
		return e.expression(n.Expression, f)
	case *ast.StringLiteral:
		return n.Value
	case *ast.BooleanLiteral:
		return n.Value
	case *ast.NumberLiteral:
		return n.Value
	}
	return nil
}

// path is the value that a path names. Only the current context is searched.
func (e *evaluation) path(p *ast.PathExpression, f *frame) any {
	if p.Data && !p.IsDataRoot() {
		return e.variable(p, f)
	}
	parts := p.Parts
	v := f.value
	switch {
	case p.Data:
		v, parts = e.root, parts[1:]
	case p.Depth > 0:
		up := f
		for range p.Depth {
			if up = up.up; up == nil {
				return e.absent(p.Original)
			}
		}
		v = up.value
	case !p.Scoped && len(parts) > 0:
		for up := f; up != nil; up = up.up {
			if named, ok := up.names[parts[0]]; ok {
				v, parts = named, parts[1:]
				break
			}
		}
	}
	for _, part := range parts {
		next, ok := member(v, part)
		if !ok {
			return e.absent(strings.Join(p.Parts, "."))
		}
		v = next
	}
	return v
}

// variable is the value of @index, @key, @first or @last.
func (e *evaluation) variable(p *ast.PathExpression, f *frame) any {
	l := f.loop
	for range p.Depth {
		if l != nil {
			l = l.up
		}
	}
	if l == nil {
		return e.absent(p.Original)
	}
	switch p.Parts[0] {
	case "index":
		return float64(l.index)
	case "first":
		return l.index == 0
	case "last":
		return l.index == l.last
	}
	if l.key == nil {
		return float64(l.index)
	}
	return l.key
}

// member is the value of a key in an object, or of an index in an array. ok is false if there is
// none.
func member(v any, key string) (any, bool) {
	key = strings.TrimSuffix(strings.TrimPrefix(key, "["), "]")
	switch v := v.(type) {
	case map[string]any:
		m, ok := v[key]
		return m, ok
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return v[i], true
		}
	}
	if _, object := v.(map[string]any); key == "length" && !object && v != nil {
		return length(v), true
	}
	return nil, false
}

// truthy reports whether a value holds in a condition.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	}
	return true
}

// equal compares values of different types by their texts: 3 equals "3".
func equal(a, b any) bool {
	x, errA := printed(a)
	y, errB := printed(b)
	return errA == nil && errB == nil && x == y
}

func (e *evaluation) number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return n
		}
	case nil:
		return 0 // a missing key that is to be empty
	}
	e.fail("template_data_invalid", "greaterThan and lessThan compare numbers")
	return 0
}

func (e *evaluation) text(v any) string {
	s, err := printed(v)
	if err != nil {
		e.fail("template_data_invalid", err.Error())
	}
	return s
}

// Numbers beyond these are printed in different ways by different targets.
const smallest, largest = 1e-6, 1e21

// printed returns the text of a value as JavaScript prints it.
func printed(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		if size := max(v, -v); v != 0 && (size < smallest || size >= largest) {
			return "", errors.New("a number is too large or too small to be printed alike everywhere; write it as a string")
		}
		if v == 0 {
			return "0", nil // and not -0
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", errors.New("an array or an object cannot be printed; print its members")
}
