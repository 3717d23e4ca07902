package httpapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
	"go.yaml.in/yaml/v3"

	"patchbay/core/fault"
)

//go:embed openapi.yaml
var document []byte

//go:embed docs.html
var docsTemplate string

// documentJSON converts the document to JSON, on first use so that it does not delay the
// start.
var documentJSON = sync.OnceValues(func() ([]byte, error) {
	var d any
	if err := yaml.Unmarshal(document, &d); err != nil {
		return nil, err
	}
	return json.Marshal(d)
})

func (s *Server) openapi(r *request) (any, error) {
	d, err := documentJSON()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "httpapi.openapi", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return nil, r.Send(d)
}

// docs serves the document as a page for people, without scripts or external resources.
func (s *Server) docs(r *request) (any, error) {
	html, err := documentHTML()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, "httpapi.docs", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	r.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	return nil, r.SendString(html)
}

// outline is the part of the document that the page shows.
type outline struct {
	Info struct {
		Title, Description string
	}
	Paths      map[string]pathItem
	Components struct {
		Schemas    map[string]schema
		Parameters map[string]parameter
	}
}

// pathItem has the operations of a path, by their methods, and the parameters of all.
type pathItem struct {
	Parameters []parameter
	Operations map[string]yaml.Node `yaml:",inline"`
}

type operation struct {
	Method, Path string
	line         int // line in the document, whose order is kept
	Summary      string
	Description  string
	Parameters   []parameter
	RequestBody  struct {
		Content map[string]struct{ Schema schema }
	} `yaml:"requestBody"`
	Responses map[string]struct {
		Ref         string `yaml:"$ref"`
		Description string
		Content     map[string]struct{ Schema schema }
	}
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Description string
	Required    bool
	Schema      schema
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        string
	Description string
	Enum        []string
	Required    []string
	Properties  map[string]schema
	Items       *schema
	OneOf       []schema `yaml:"oneOf"`
	AllOf       []schema `yaml:"allOf"` // one, which this schema describes further

	Default   any
	Minimum   *int64
	Maximum   *int64
	MinLength *int64 `yaml:"minLength"`
	MaxLength *int64 `yaml:"maxLength"`
	MinItems  *int64 `yaml:"minItems"`
	MaxItems  *int64 `yaml:"maxItems"`
}

// Name returns a short name for the type of a value.
func (s schema) Name() string {
	switch {
	case s.Ref != "":
		return refName(s.Ref)
	case s.Items != nil:
		return s.Items.Name() + "[]"
	case len(s.OneOf) > 0:
		names := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			names[i] = one.Name()
		}
		return strings.Join(names, " | ")
	case len(s.AllOf) > 0:
		return s.AllOf[0].Name()
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	}
	return s.Type
}

// Needs reports whether a property is required.
func (s schema) Needs(property string) bool { return slices.Contains(s.Required, property) }

// Limits returns the bounds and the default of a value, or the empty string if it has none.
func (s schema) Limits() string {
	var all []string
	for _, bound := range []struct {
		low, high *int64
		unit      string
	}{{s.Minimum, s.Maximum, ""}, {s.MinLength, s.MaxLength, " characters"}, {s.MinItems, s.MaxItems, " items"}} {
		switch low, high := bound.low, bound.high; {
		case low != nil && high != nil:
			all = append(all, fmt.Sprintf("%d to %d%s", *low, *high, bound.unit))
		case low != nil:
			all = append(all, fmt.Sprintf("at least %d%s", *low, bound.unit))
		case high != nil:
			all = append(all, fmt.Sprintf("at most %d%s", *high, bound.unit))
		}
	}
	if s.Default != nil {
		all = append(all, fmt.Sprintf("%v by default", s.Default))
	}
	return strings.Join(all, ", ")
}

// Body returns the name of the schema of the body, which is the same for each media type, or the
// empty string.
func (o operation) Body() string {
	for _, content := range o.RequestBody.Content {
		return content.Schema.Name()
	}
	return ""
}

// Errors returns the statuses of the error responses.
func (o operation) Errors() []string {
	var all []string
	for status, r := range o.Responses {
		if r.Ref != "" {
			all = append(all, status)
		}
	}
	slices.Sort(all)
	return all
}

var documentHTML = sync.OnceValues(func() (string, error) {
	var d outline
	if err := yaml.Unmarshal(document, &d); err != nil {
		return "", err
	}
	operations, err := d.operations()
	if err != nil {
		return "", err
	}
	t, err := template.New("docs").Funcs(template.FuncMap{"prose": prose, "paragraphs": paragraphs}).Parse(docsTemplate)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{"Info": d.Info, "Operations": operations, "Schemas": d.Components.Schemas})
	return b.String(), err
})

// operations returns the operations of all paths in the order of the document, each with
// the parameters of its path and its own.
func (d outline) operations() ([]operation, error) {
	var all []operation
	for path, item := range d.Paths {
		for method, node := range item.Operations {
			one := operation{Method: strings.ToUpper(method), Path: path, line: node.Line}
			if err := node.Decode(&one); err != nil {
				return nil, err
			}
			one.Parameters = slices.Concat(item.Parameters, one.Parameters)
			for i, p := range one.Parameters {
				if p.Ref != "" {
					one.Parameters[i] = d.Components.Parameters[refName(p.Ref)]
				}
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return a.line - b.line })
	return all, nil
}

// refName returns the name at the end of a reference.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// paragraphs splits a text of the document at its blank lines.
func paragraphs(text string) []string { return strings.Split(strings.TrimSpace(text), "\n\n") }

// prose converts text of the document to HTML, with the text between backticks as code.
func prose(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if escaped := template.HTMLEscapeString(part); i%2 == 1 {
			b.WriteString("<code>" + escaped + "</code>")
		} else {
			b.WriteString(escaped)
		}
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above, and from our own document
}
