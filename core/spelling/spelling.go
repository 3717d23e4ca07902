// Package spelling finds the name that was meant by a misspelled one.
package spelling

import (
	"slices"
	"strings"
)

const (
	// maxDistance is how many letters a mistake inserts, deletes or replaces at most.
	maxDistance = 2
	// minSuffix is the length of the shortest name that is found at the end of a longer one: "to" ends
	// words that have nothing to do with it.
	minSuffix = 6
	// maxWord exceeds the length of any name. A word comes from a caller, and may be long.
	maxWord = 100
)

// Nearest returns the name that a word was probably meant to be, or "" if none is near. A name is near if it
// differs in nothing but case and underscores, or in two letters, or if one is the end of the other, as
// templateData is of dynamic_template_data. The nearest of several is returned, the first by alphabet of those
// that are as near.
func Nearest(word string, names []string) string {
	if len(word) > maxWord {
		return ""
	}
	folded := fold(word)
	best, least := "", maxDistance+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		other := fold(name)
		d := distance(folded, other)
		if d < least && 2*d <= max(len(folded), len(other)) { // a name that shares less than half its letters is another one
			best, least = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		short, long := fold(name), folded
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(short) >= minSuffix && strings.HasSuffix(long, short) {
			return name
		}
	}
	return ""
}

// fold removes what names in one style of writing differ in from those in another: fooBar, foo_bar, foo-bar.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance returns the number of bytes to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
