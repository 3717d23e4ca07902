package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

const (
	envPrefix   = "PATCHBAY_"
	environment = "environment" // in place of a file name
)

// source holds the settings as they were written, and where, before they are checked.
type source struct {
	file     string
	merged   map[string]any
	lines    map[string]int  // line of each path in the file
	fromEnv  map[string]bool // paths set by the environment
	environ  []string
	unread   map[string]bool // paths whose value could not be read, and is not checked
	used     []used
	mistakes Mistakes
}

func (s *source) mistake(path, format string, args ...any) {
	m := Mistake{Path: path, Text: fmt.Sprintf(format, args...)}
	m.File, m.Line = s.origin(path)
	s.mistakes = append(s.mistakes, m)
}

// unreadable records a mistake after which the value is not checked further.
func (s *source) unreadable(path, format string, args ...any) {
	s.unread[path] = true
	s.mistake(path, format, args...)
}

// require records a mistake unless ok, or unless the value could not be read.
func (s *source) require(ok bool, path, format string, args ...any) {
	if !ok && !s.unread[path] {
		s.mistake(path, format, args...)
	}
}

// origin returns where a path, or the nearest part of it, was written.
func (s *source) origin(path string) (file string, line int) {
	for ; path != ""; path = parent(path) {
		if s.fromEnv[path] {
			return environment, 0
		}
		if n := s.lines[path]; n > 0 {
			return s.file, n
		}
		for set := range s.fromEnv {
			if strings.HasPrefix(set, path+".") {
				return environment, 0
			}
		}
	}
	return s.file, 0
}

// parent returns the path that contains a path: server for server.address, and a list for
// its item.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// read merges defaults, file and environment; later ones override earlier ones.
func read(path string, environ []string) (*source, error) {
	s := &source{file: path, lines: map[string]int{}, fromEnv: map[string]bool{}, unread: map[string]bool{}, environ: environ}
	written := map[string]any{}
	if path == "" {
		s.file = "defaults"
	} else {
		text, err := os.ReadFile(path) //nolint:gosec // the operator's own file
		if err != nil {
			return nil, err
		}
		written = s.parse(text)
	}
	standard := defaults()
	for section, settings := range written {
		// The environment would replace it, and so hide the mistake.
		_, known := standard[section]
		if _, ok := settings.(map[string]any); !ok && (known || section == "providers" || section == "policies") {
			s.mistake(section, "must be a mapping")
			delete(written, section)
		}
	}
	k := koanf.New(".")
	for _, layer := range []map[string]any{standard, written} {
		if err := k.Load(confmap.Provider(layer, ""), nil); err != nil {
			return nil, err
		}
	}
	set := env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			path := s.envPath(name, k)
			if path == "" {
				return "", nil
			}
			s.fromEnv[path] = true
			return path, value
		},
	})
	if err := k.Load(set, nil); err != nil {
		return nil, err
	}
	for path := range s.fromEnv {
		for part := parent(path); part != ""; part = parent(part) {
			if s.fromEnv[part] { // which of the two applies would be random
				s.mistake(path, "is set, and %s is too; keep one", part)
			}
		}
	}
	s.merged = k.Raw()
	return s, nil
}

// envPath returns the path that a variable sets: PATCHBAY_SERVER__ADDRESS sets
// server.address. A variable without "__" is not a setting. A provider whose name has a
// hyphen is named with an underscore.
func (s *source) envPath(name string, k *koanf.Koanf) string {
	parts := strings.Split(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "__")
	if len(parts) < 2 {
		return ""
	}
	names := k.MapKeys("providers")
	if named := parts[0] == "providers" || parts[0] == "policies"; named && !slices.Contains(names, parts[1]) {
		for _, known := range names {
			if strings.ReplaceAll(known, "-", "_") == parts[1] {
				parts[1] = known
			}
		}
	}
	return strings.Join(parts, ".")
}

// parse parses the file into a map, and records the line of each path.
func (s *source) parse(text []byte) map[string]any {
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(&doc)
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			s.mistake("", "holds a second YAML document; keep one")
			s.mistakes[len(s.mistakes)-1].Line = second.Line
		}
	}
	if !errors.Is(err, io.EOF) && err != nil {
		s.notYAML(err)
		return map[string]any{}
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return map[string]any{}
	}
	root, ok := s.value("", doc.Content[0]).(map[string]any)
	if !ok {
		s.mistake("", "must be a mapping of sections such as server and providers")
		return map[string]any{}
	}
	return root
}

var (
	yamlError = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)`)
	// fromZero matches the messages in which yaml counts lines from zero: those of its
	// parser, not of its scanner. Source: parser.fail in its decode.go.
	fromZero = regexp.MustCompile(`^did not find expected (<document start>|key|node content|'-' indicator|',' or)`)
)

// notYAML records a syntax error with the line from the library's message.
func (s *source) notYAML(err error) {
	parts := yamlError.FindStringSubmatch(err.Error())
	s.mistake("", "is not YAML: %s", parts[2])
	line, failed := strconv.Atoi(parts[1])
	if failed == nil && fromZero.MatchString(parts[2]) {
		line++
	}
	s.mistakes[len(s.mistakes)-1].Line = line // 0 if the message has no line
}

func (s *source) value(path string, n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, at := n.Content[i], join(path, n.Content[i].Value)
			first, twice := s.lines[at]
			s.lines[at] = key.Line
			if twice {
				s.mistake(at, "is written twice, first in line %d; keep one", first)
			}
			// A key without a value keeps the default.
			if v := s.value(at, n.Content[i+1]); v != nil {
				m[key.Value] = v
			}
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item.Kind == yaml.ScalarNode {
				s.lines[at] = item.Line
			}
			list[i] = s.value(at, item)
		}
		return list
	case yaml.AliasNode:
		s.mistake(path, "uses a YAML alias; write the value out")
		return nil
	default: // a scalar
	}
	if n.Tag == "!!null" {
		return nil
	}
	return n.Value
}

// Variable returns the value of an environment variable.
func Variable(environ []string, name string) (value string, set bool) {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok && name != "" {
			return value, true
		}
	}
	return "", false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
