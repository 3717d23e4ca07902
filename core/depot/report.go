package depot

import "patchbay/ports"

// Report says what both stores hold, a line for each section.
type Report []Line

// Line is one section of both.
type Line struct {
	Section  ports.Section
	From, To Tally
}

// Tally is how many entries there are, and a checksum over all of them that does not
// depend on their order: the digests, each of which holds its entry's key, combined by
// exclusive or.
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

// Equal reports whether both hold the same.
func (r Report) Equal() bool {
	for _, l := range r {
		if l.From != l.To {
			return false
		}
	}
	return true
}
