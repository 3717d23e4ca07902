package suite

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Line is a case as docs/contract.md lists it.
type Line struct{ Name, Doc string }

// Lines returns the lines of cases.
func Lines[H any](cases []Case[H]) (lines []Line) {
	for _, c := range cases {
		lines = append(lines, Line{c.Name, c.Doc})
	}
	return lines
}

// document is docs/contract.md as seen from the directory of a suite.
const document = "../../../docs/contract.md"

// WantDocumented checks that the section of docs/contract.md whose heading is the name of the
// package lists exactly these cases in this order, and that each has a name of its own and a
// sentence.
func WantDocumented(t *testing.T, pkg string, lists ...[]Line) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	seen := make(map[string]bool)
	for _, l := range slices.Concat(lists...) {
		if l.Name == "" || seen[l.Name] {
			t.Errorf("the name %q is empty or taken twice", l.Name)
		}
		if !strings.HasSuffix(l.Doc, ".") {
			t.Errorf("%s: the description %q is no sentence", l.Name, l.Doc)
		}
		seen[l.Name] = true
		want = append(want, fmt.Sprintf("- **%s.** %s", l.Name, l.Doc))
	}
	if got := listed(string(text), pkg); !slices.Equal(got, want) {
		t.Errorf("the cases of %s in docs/contract.md differ from the code.\ngot:\n%s\nwant:\n%s", pkg, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// listed returns the list items of a section, each on one line.
func listed(text, section string) (items []string) {
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "## "):
			inside = line == "## "+section
		case inside && strings.HasPrefix(line, "- "):
			items = append(items, line)
		case inside && strings.HasPrefix(line, "  ") && len(items) > 0: // a continued item
			items[len(items)-1] += " " + strings.TrimSpace(line)
		}
	}
	return items
}
