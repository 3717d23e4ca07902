// Package template is the domain of email templates: their sources, and what a rendered one says.
package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Source is a template in Handlebars. Each part is empty if the template has no such part.
type Source struct {
	Name    string `json:"name"` // welcome
	Subject string `json:"subject,omitempty"`
	HTML    string `json:"html,omitempty"`
	Text    string `json:"text,omitempty"`
}

// Part names a part of a template, as errors and commands show it.
type Part string

// The parts of a template.
const (
	Subject Part = "subject"
	HTML    Part = "html"
	Text    Part = "text"
)

// Parts lists all parts.
func Parts() []Part { return []Part{Subject, HTML, Text} }

// Part returns the source of a part.
func (s Source) Part(p Part) string {
	switch p {
	case Subject:
		return s.Subject
	case HTML:
		return s.HTML
	default:
		return s.Text
	}
}

// Digest identifies the content of a source, whatever its name. It is 64 hexadecimal digits.
func (s Source) Digest() string {
	h := sha256.New()
	for _, p := range Parts() {
		text := s.Part(p)
		_, _ = fmt.Fprintf(h, "%s %d\n%s", p, len(text), text) // the length keeps the parts apart
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Missing says what a template prints for a key that the data lacks.
type Missing string

// What becomes of a missing key.
const (
	MissingIsError Missing = "error" // the message is refused
	MissingIsEmpty Missing = "empty" // nothing is printed in its place
)

// Content is a rendered template.
type Content struct {
	Subject string
	HTML    string
	Text    string
}
