// Package handlebars renders email templates in Handlebars, the language in which SendGrid and
// Mailgun store theirs. A template that is rendered here says what it would say there, or the
// rendering fails: nothing is left out silently.
//
// The syntax is parsed by github.com/mailgun/raymond, which is what Mailgun runs. It is evaluated
// here, because that library prints nothing where a key or a helper is missing, iterates over an
// object in random order, looks for a key in the enclosing contexts too, which SendGrid does not,
// and has no limits.
package handlebars

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/mailgun/raymond/v2/ast"
	"github.com/mailgun/raymond/v2/parser"

	"patchbay/core/fault"
	"patchbay/core/template"
)

// Limits of a template. They end a template that loops over loops, before it takes the memory.
const (
	maxSource = 1 << 20 // bytes of a part
	maxOutput = 1 << 20 // bytes of a rendered part
	maxSteps  = 1 << 20 // nodes evaluated in a part
	maxDepth  = 100     // blocks within blocks
	maxCached = 256     // parsed templates
)

// Renderer renders templates. It keeps those that it has parsed. It may be used by several
// goroutines at a time.
type Renderer struct {
	missing template.Missing

	mu     sync.Mutex
	parsed map[string]*parsed // by digest
}

// parsed is a template that has been parsed and checked.
type parsed map[template.Part]*ast.Program

// New returns a Renderer.
func New(missing template.Missing) *Renderer {
	return &Renderer{missing: missing, parsed: make(map[string]*parsed)}
}

// Render renders a template with the values of JSON: nil, bool, float64, string, []any and
// map[string]any. Values are escaped in HTML, and nowhere else. The subject is one line.
//
// Invalid: the template has a mistake (template_invalid), the data lack a key
// (template_key_missing), or a value cannot be printed or compared (template_data_invalid). The
// Param of the latter two is the path of the value below templateData.
func (r *Renderer) Render(s template.Source, data map[string]any) (template.Content, error) {
	p, err := r.parse(s)
	if err != nil {
		return template.Content{}, err
	}
	texts := make(map[template.Part]string, len(*p))
	for part, program := range *p {
		e := evaluation{name: s.Name, part: part, missing: r.missing, root: data, escapes: part == template.HTML}
		if texts[part], err = e.run(program); err != nil {
			return template.Content{}, err
		}
	}
	return template.Content{
		Subject: strings.Join(strings.Fields(texts[template.Subject]), " "), HTML: texts[template.HTML], Text: texts[template.Text],
	}, nil
}

func (r *Renderer) parse(s template.Source) (*parsed, error) {
	digest := s.Digest()
	r.mu.Lock()
	p := r.parsed[digest]
	r.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, mistakes := parse(s)
	if len(mistakes) > 0 {
		return nil, mistakes[0].fault(s.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parsed) >= maxCached {
		clear(r.parsed) // a directory of templates is smaller; this is only a bound
	}
	r.parsed[digest] = p
	return p, nil
}

// Mistake is what is wrong with a template.
type Mistake struct {
	Part template.Part
	Line int // of the part, from 1
	Text string
}

func (m Mistake) String() string { return fmt.Sprintf("%s, line %d: %s", m.Part, m.Line, m.Text) }

func (m Mistake) fault(name string) error {
	return fault.New(fault.Invalid, "template_invalid", fmt.Sprintf("the template %s has a mistake: %s", name, m))
}

// Check returns the mistakes of a template. A helper that is not in helpers is a mistake, so that
// a template can be checked for a target that has fewer of them; nil means all that Render has.
func Check(s template.Source, helpers []string) []Mistake {
	p, mistakes := parse(s)
	if p == nil || helpers == nil {
		return mistakes
	}
	for _, part := range template.Parts() {
		if program := (*p)[part]; program != nil {
			mistakes = append(mistakes, vet(part, program, helpers)...)
		}
	}
	return mistakes
}

// Valid returns an error with all mistakes of a template, or nil.
func Valid(s template.Source) error {
	var all []error
	for _, m := range Check(s, nil) {
		all = append(all, fmt.Errorf("%s: %s", s.Name, m))
	}
	return errors.Join(all...)
}

// parse parses the parts of a template, and returns nil if there are mistakes.
func parse(s template.Source) (*parsed, []Mistake) {
	p, mistakes := make(parsed), []Mistake(nil)
	for _, part := range template.Parts() {
		text := s.Part(part)
		if text == "" {
			continue
		}
		program, found := parsePart(part, text)
		p[part] = program
		mistakes = append(mistakes, found...)
	}
	switch {
	case len(mistakes) > 0:
		return nil, mistakes
	case s.Subject == "":
		return nil, []Mistake{{template.Subject, 1, "there is no subject"}}
	case s.HTML == "" && s.Text == "":
		return nil, []Mistake{{template.HTML, 1, "there is neither html nor text"}}
	}
	return &p, nil
}

func parsePart(part template.Part, text string) (*ast.Program, []Mistake) {
	if len(text) > maxSource {
		return nil, []Mistake{{part, 1, fmt.Sprintf("it has more than %d bytes", maxSource)}}
	}
	program, err := parser.Parse(text)
	if err != nil {
		line, text := syntaxError(err)
		return nil, []Mistake{{part, line, text}}
	}
	return program, vet(part, program, nil)
}

// syntaxError reads the parser's error, which is of several lines: "Parse error on line 2:" and what
// was found there.
func syntaxError(err error) (line int, text string) {
	head, rest, _ := strings.Cut(err.Error(), "\n")
	if _, scanErr := fmt.Sscanf(head, "Parse error on line %d:", &line); scanErr != nil {
		return 1, strings.Join(strings.Fields(err.Error()), " ")
	}
	return line, strings.Join(strings.Fields(rest), " ")
}
