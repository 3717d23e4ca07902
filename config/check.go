package config

import (
	"slices"
	"strings"
)

// faults are what a mock can be told to do with every new payment: the names
// that adapters/payments/mockpay knows. They stand here too so that a name that
// it does not know is found with all the other mistakes.
var faults = []string{
	"refused", "429", "401", "403", "timeout_before", "timeout_after_commit", "500_committed", "reset", "malformed", "hang",
	"duplicate_webhook", "reordered_webhook",
}

// Check finds what a SQLite store cannot work with.
func (s *SQLite) Check() (path, text string) {
	if s.Path == "" || strings.HasPrefix(s.Path, ":") {
		return "path", "must name a file, such as data/patchbay.db"
	}
	return "", ""
}

// Check finds what a mock cannot work with.
func (m *Mock) Check() (path, text string) {
	if m.Fault != "" && !slices.Contains(faults, m.Fault) {
		return "fault", "is not one of " + strings.Join(faults, ", ")
	}
	return "", ""
}

// Check finds what a catcher cannot work with.
func (c *Catcher) Check() (path, text string) {
	switch {
	case c.Path == "":
		return "path", "must name a directory, such as data/mail"
	case c.Keep < 1:
		return "keep", "must be at least 1"
	}
	return "", ""
}
