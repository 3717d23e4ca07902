package httpapi

import (
	_ "embed"
	"encoding/json"
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
var page string

// documentJSON is the document as it is served. Nobody waits for it at start.
var documentJSON = sync.OnceValues(func() ([]byte, error) {
	var d any
	if err := yaml.Unmarshal(document, &d); err != nil {
		return nil, err
	}
	return json.Marshal(d)
})

func (s *Server) openapi(r *request) error {
	d, err := documentJSON()
	if err != nil {
		return fault.Wrap(fault.Internal, "httpapi.openapi", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return r.Send(d)
}

// docs shows the document to people, without a script and from nowhere else.
func (s *Server) docs(r *request) error {
	html, err := documentHTML()
	if err != nil {
		return fault.Wrap(fault.Internal, "httpapi.docs", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	r.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'unsafe-inline'")
	return r.SendString(html)
}

// outline is what the page shows of the document.
type outline struct {
	Info struct {
		Title, Description string
	}
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas map[string]schema
	}
}

type operation struct {
	Method, Path string
	line         int // in the document, whose order is the reader's
	Summary      string
	RequestBody  struct {
		Content map[string]struct{ Schema schema }
	} `yaml:"requestBody"`
	Responses map[string]struct {
		Ref         string `yaml:"$ref"`
		Description string
		Content     map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        string
	Description string
	Enum        []string
	Required    []string
	Properties  map[string]schema
	Items       *schema
}

// Name is what a value is, in short.
func (s schema) Name() string {
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Items != nil:
		return s.Items.Name() + "[]"
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	}
	return s.Type
}

// Needs reports whether a property must be there.
func (s schema) Needs(property string) bool { return slices.Contains(s.Required, property) }

var documentHTML = sync.OnceValues(func() (string, error) {
	var d outline
	if err := yaml.Unmarshal(document, &d); err != nil {
		return "", err
	}
	var operations []operation
	for path, methods := range d.Paths {
		for method, node := range methods {
			if method == "parameters" {
				continue
			}
			one := operation{Method: strings.ToUpper(method), Path: path, line: node.Line}
			if err := node.Decode(&one); err != nil {
				return "", err
			}
			operations = append(operations, one)
		}
	}
	slices.SortFunc(operations, func(a, b operation) int { return a.line - b.line })
	t, err := template.New("docs").Funcs(template.FuncMap{"prose": prose}).Parse(page)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{"Info": d.Info, "Operations": operations, "Schemas": d.Components.Schemas})
	return b.String(), err
})

// prose is text of the document with what stands between backticks as code.
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
