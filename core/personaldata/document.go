package personaldata

import (
	"encoding/json"
	"io"
)

// Document writes the Progress of an export as one JSON document: an object with the person, and an
// array for each place. It streams, and holds no entries in memory.
type Document struct {
	to      io.Writer
	entries int // in the open array
	open    bool
	err     error
}

// NewDocument returns a Document. It is complete only after Close.
func NewDocument(to io.Writer) *Document { return &Document{to: to} }

// Add writes one Progress, and returns the first write error so far.
func (d *Document) Add(n Progress) error {
	if n.Person != nil {
		raw, err := json.Marshal(n.Person)
		if err != nil {
			return err
		}
		d.write("{\n\"person\": ", string(raw))
	}
	if n.Place != "" {
		d.endPlace()
		name, err := json.Marshal(n.Place)
		if err != nil {
			return err
		}
		d.write(",\n", string(name), ": [")
		d.open, d.entries = true, 0
	}
	if n.Entry != nil {
		if d.entries > 0 {
			d.write(",")
		}
		d.write("\n  ", string(n.Entry))
		d.entries++
	}
	return d.err
}

// Close ends the document, and returns the first write error.
func (d *Document) Close() error {
	d.endPlace()
	d.write("\n}\n")
	return d.err
}

func (d *Document) endPlace() {
	if d.open {
		d.write("\n]")
	}
	d.open = false
}

func (d *Document) write(parts ...string) {
	for _, part := range parts {
		if d.err == nil {
			_, d.err = io.WriteString(d.to, part)
		}
	}
}
