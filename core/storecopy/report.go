package storecopy

import (
	"slices"

	"patchbay/ports"
)

// Report says what both stores hold, with a line per section.
type Report []Line

// Line is one section of both stores.
type Line struct {
	Section  ports.Section
	From, To Tally
}

// Tally is the number of entries, and a checksum over them that does not depend on their order:
// the exclusive or of their digests, each of which covers the entry's key.
type Tally struct {
	Entries int
	Sum     ports.Digest
}

func (t *Tally) add(page []ports.Entry) {
	for _, e := range page {
		t.Entries++
		for i, b := range e.Digest() {
			t.Sum[i] ^= b
		}
	}
}

// Equal reports whether both stores hold the same.
func (r Report) Equal() bool {
	return !slices.ContainsFunc(r, func(l Line) bool { return l.From != l.To })
}
