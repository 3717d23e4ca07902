package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one mistake in the configuration.
type Mistake struct {
	File string // the file, or "environment"
	Line int    // 0 if there is none
	Path string // server.address
	Text string // what is wrong, and what to write instead
}

func (m Mistake) String() string {
	where := m.File
	if m.Line > 0 {
		where = fmt.Sprintf("%s:%d", m.File, m.Line)
	}
	if m.Path != "" {
		where += ": " + m.Path
	}
	return where + ": " + m.Text
}

// Mistakes lists all mistakes, in the order of the file.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sorted() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(a.Line-b.Line, strings.Compare(a.Path, b.Path))
	})
	return m
}

func (m Mistakes) masked(by Mask) Mistakes {
	for i := range m {
		m[i].Text = by.Text(m[i].Text)
	}
	return m
}
