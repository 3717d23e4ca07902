package setting

import (
	"slices"
	"strings"
)

// Mistake is one mistake in the settings of a provider.
type Mistake struct {
	Path string // the key it is at, such as base_url, pool.max or webhook_secrets[1]
	Text string // what is wrong, and what to write instead
	// With are the other keys that it depends on. Where one of them could not be read, it is none.
	With []string
}

// Mistakes are all mistakes in the settings of a provider, at most one for each key.
type Mistakes []Mistake

// Add adds a mistake at a key, unless text is empty or the key has a mistake. with are other keys that it depends
// on: where one of them has a mistake, it is not added.
func (m *Mistakes) Add(path, text string, with ...string) {
	has := func(one Mistake) bool { return one.Path == path || slices.Contains(with, one.Path) }
	if text != "" && !slices.ContainsFunc(*m, has) {
		*m = append(*m, Mistake{path, text, with})
	}
}

// Require adds a mistake at a key, as Add does, unless ok.
func (m *Mistakes) Require(ok bool, path, text string, with ...string) {
	if !ok {
		m.Add(path, text, with...)
	}
}

// String returns the mistakes, one a line.
func (m Mistakes) String() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.Path + ": " + one.Text
	}
	return strings.Join(lines, "\n")
}
