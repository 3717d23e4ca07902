package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

const envPrefix = "PATCHBAY_"

// source is what was written, by whom and where, before it is checked.
type source struct {
	file     string
	merged   map[string]any
	lines    map[string]int  // of each path in the file
	fromEnv  map[string]bool // paths set by the environment
	environ  []string
	mistakes Mistakes
}

func (s *source) mistake(path, format string, args ...any) {
	m := Mistake{File: s.file, Path: path, Text: fmt.Sprintf(format, args...)}
	if s.fromEnv[path] {
		m.File = "environment"
	} else {
		m.Line = s.line(path)
	}
	s.mistakes = append(s.mistakes, m)
}

// line finds the line of a path, or of the nearest part of it that is written.
func (s *source) line(path string) int {
	for ; path != ""; path = path[:max(strings.LastIndexByte(path, '.'), 0)] {
		if n := s.lines[path]; n > 0 {
			return n
		}
	}
	return 0
}

// read merges defaults, file and environment, the later over the earlier.
func read(path string, environ []string) (*source, error) {
	s := &source{file: path, lines: map[string]int{}, fromEnv: map[string]bool{}, environ: environ}
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
	k := koanf.New(".")
	for _, layer := range []map[string]any{defaults(), written} {
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
	s.merged = k.Raw()
	return s, nil
}

// envPath gives the path that a variable sets: PATCHBAY_SERVER__ADDRESS is
// server.address. A variable without "__" is not a setting. A provider whose
// name has a hyphen is named with an underscore.
func (s *source) envPath(name string, k *koanf.Koanf) string {
	parts := strings.Split(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "__")
	if len(parts) < 2 {
		return ""
	}
	if parts[0] == "providers" {
		for _, known := range k.MapKeys("providers") {
			if strings.ReplaceAll(known, "-", "_") == parts[1] {
				parts[1] = known
			}
		}
	}
	return strings.Join(parts, ".")
}

// parse turns the file into a map, and notes each path's line.
func (s *source) parse(text []byte) map[string]any {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		s.mistake("", "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return map[string]any{}
	}
	if len(doc.Content) == 0 {
		return map[string]any{}
	}
	root, ok := s.value("", doc.Content[0]).(map[string]any)
	if !ok {
		s.mistake("", "must be a mapping of sections such as server and providers")
		return map[string]any{}
	}
	return root
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
			// A key without a value leaves the default.
			if v := s.value(at, n.Content[i+1]); v != nil {
				m[key.Value] = v
			}
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = s.value(fmt.Sprintf("%s[%d]", path, i), item)
		}
		return list
	case yaml.AliasNode:
		s.mistake(path, "uses a YAML alias; write the value out")
		return nil
	}
	if n.Tag == "!!null" {
		return nil
	}
	return n.Value
}

// lookup finds a variable of the environment.
func (s *source) lookup(name string) (string, bool) {
	for _, entry := range s.environ {
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
