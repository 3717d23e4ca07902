// Package templatedir reads email templates from a directory:
//
//	welcome.subject.hbs    the subject
//	welcome.html.hbs       the HTML, or
//	welcome.text.hbs       the text, or both
//	_footer.hbs            what {{> footer}} stands for, in any of them
//
// What {{> footer}} stands for is put in its place when the files are read, so that a template says
// the same wherever it is stored, and its digest covers all of it.
package templatedir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/template"
	"patchbay/ports"
)

const (
	maxFile    = 1 << 20     // bytes
	maxNesting = 10          // partials within partials
	staleAfter = time.Second // how long a directory is not looked at again
)

// file matches the name of a file of a template, or of a partial.
var file = regexp.MustCompile(`^(?:_([A-Za-z0-9-]+)|([A-Za-z0-9][A-Za-z0-9_-]*)\.(subject|html|text))\.hbs$`)

// ignored matches the names of files that are in many directories: hidden ones, copies that an editor keeps, and
// notes for people.
var ignored = regexp.MustCompile(`^(?:\..*|#.*#|.*~|.*\.(?:bak|orig|swp)|(?i:(?:README|LICENSE)(?:\.md|\.txt)?))$`)

// include matches {{> name}}, with the marks that strip blanks around it.
var include = regexp.MustCompile(`\{\{~?>\s*([A-Za-z0-9-]+)\s*~?\}\}`)

// Read reads all templates of a directory, by name. A file with a name that is none of a template, and not
// ignored either, is an error, so that a mistyped name is found. With an error it returns the templates that have none.
func Read(dir fs.FS) (map[string]template.Source, error) {
	sources, mistakes, err := readAll(dir)
	for _, m := range mistakes {
		err = errors.Join(err, m.err)
	}
	return sources, err
}

// mistake is what is wrong with a template, or with the name of a file.
type mistake struct {
	of  string
	err error
}

// readAll reads the templates that have no mistakes. err means that the directory cannot be read.
func readAll(dir fs.FS) (sources map[string]template.Source, mistakes []mistake, err error) {
	entries, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]template.Source{}, nil, nil // there may be one later
	}
	if err != nil {
		return nil, nil, err
	}
	partials, parts := make(map[string]string), make(map[string]map[template.Part]string)
	var unread []error
	for _, entry := range entries {
		if ignored.MatchString(entry.Name()) {
			continue
		}
		m := file.FindStringSubmatch(entry.Name())
		if m == nil || entry.IsDir() {
			mistakes = append(mistakes, mistake{entry.Name(), fmt.Errorf("%s: is not a file of a template; remove it, or name it as welcome.subject.hbs, welcome.html.hbs, welcome.text.hbs or, for a partial, _footer.hbs", entry.Name())})
			continue
		}
		text, err := read(dir, entry.Name())
		switch {
		case err != nil:
			unread = append(unread, err)
		case m[1] != "":
			partials[m[1]] = text
		default:
			if parts[m[2]] == nil {
				parts[m[2]] = make(map[template.Part]string)
			}
			parts[m[2]][template.Part(m[3])] = text
		}
	}
	sources = make(map[string]template.Source, len(parts))
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if s, err := sourceOf(name, parts[name], partials); err != nil {
			mistakes = append(mistakes, mistake{name, err})
		} else {
			sources[name] = s
		}
	}
	return sources, mistakes, errors.Join(unread...)
}

// sourceOf returns the template of these files.
func sourceOf(name string, texts map[template.Part]string, partials map[string]string) (s template.Source, wrong error) {
	s.Name = name
	for part, to := range map[template.Part]*string{template.Subject: &s.Subject, template.HTML: &s.HTML, template.Text: &s.Text} {
		text, err := expand(texts[part], partials, 0)
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("%s.%s.hbs: %w", name, part, err))
		}
		*to = text
	}
	return s, wrong
}

func read(dir fs.FS, name string) (string, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return "", err
	}
	if info.Size() > maxFile {
		return "", fmt.Errorf("%s: it has more than %d bytes", name, maxFile)
	}
	text, err := fs.ReadFile(dir, name)
	return string(text), err
}

// expand puts the partials in their places.
func expand(text string, partials map[string]string, depth int) (string, error) {
	var wrong error
	expanded := include.ReplaceAllStringFunc(text, func(tag string) string {
		name := include.FindStringSubmatch(tag)[1]
		partial, ok := partials[name]
		switch {
		case !ok:
			wrong = errors.Join(wrong, fmt.Errorf("there is no file _%s.hbs", name))
			return ""
		case depth >= maxNesting:
			wrong = errors.Join(wrong, fmt.Errorf("_%s.hbs stands within itself", name))
			return ""
		}
		inner, err := expand(strings.TrimSuffix(partial, "\n"), partials, depth+1)
		wrong = errors.Join(wrong, err)
		return inner
	})
	return expanded, wrong
}

// Directory is the templates of a directory, read again when its files change. It may be used by
// several goroutines at a time.
type Directory struct {
	dir   fs.FS
	check func(template.Source) error
	clock ports.Clock
	log   *slog.Logger

	mu      sync.Mutex
	seen    time.Time // when the directory was last looked at
	state   string    // the names, sizes and times of its files then
	sources map[string]template.Source
}

// Open reads a directory. check returns what is wrong with a source; if anything is, Open returns all
// of it.
func Open(dir fs.FS, check func(template.Source) error, clock ports.Clock, log *slog.Logger) (*Directory, error) {
	d := &Directory{dir: dir, check: check, clock: clock, log: log}
	sources, err := Read(dir)
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		err = errors.Join(err, check(sources[name]))
	}
	if err != nil {
		return nil, err
	}
	d.sources, d.seen, d.state = sources, clock.Now(), stateOf(dir)
	return d, nil
}

// Find implements ports.Templates.
func (d *Directory) Find(name string) (template.Source, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh()
	s, ok := d.sources[name]
	if !ok {
		return template.Source{}, fault.New(fault.NotFound, "template_not_found", "there is no template of this name")
	}
	return s, nil
}

// refresh reads the directory again if its files have changed. A template that is wrong now stays as
// it was, and so do all of them while a file cannot be read: the directory may be halfway through a
// deployment.
func (d *Directory) refresh() {
	now := d.clock.Now()
	if since := now.Sub(d.seen); since >= 0 && since < staleAfter {
		return
	}
	d.seen = now
	state := stateOf(d.dir)
	if state == d.state {
		return
	}
	d.state = state
	sources, mistakes, err := readAll(d.dir)
	if err != nil {
		d.log.ErrorContext(context.Background(), "email templates are not read again", "error", err)
		return
	}
	for name, s := range sources {
		if err := d.check(s); err != nil {
			mistakes = append(mistakes, mistake{name, err})
		}
	}
	for _, m := range mistakes {
		d.log.ErrorContext(context.Background(), "email template stays as it was", "template", m.of, "error", m.err)
		if before, ok := d.sources[m.of]; ok {
			sources[m.of] = before
		} else {
			delete(sources, m.of)
		}
	}
	d.sources = sources
}

// stateOf returns a text that changes with the files of a directory.
func stateOf(dir fs.FS) string {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, entry := range entries {
		if info, err := fs.Stat(dir, entry.Name()); err == nil { // of what a link leads to
			_, _ = fmt.Fprintf(&b, "%s %d %d\n", entry.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
