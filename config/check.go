package config

import (
	"slices"
	"strings"
)

// faults are the faults that a mock can produce for every new payment: the names that
// adapters/payments/mockpay knows. They are repeated here so that an unknown name is
// reported together with all other mistakes.
var faults = []string{
	"refused", "429", "401", "403", "timeout_before", "timeout_after_commit", "500_committed", "reset", "malformed", "hang",
	"duplicate_webhook", "reordered_webhook",
}

// Check reports settings with which a SQLite store cannot work.
func (s *SQLite) Check() (path, text string) {
	if s.Path == "" || strings.HasPrefix(s.Path, ":") {
		return "path", "must name a file, such as data/patchbay.db"
	}
	return "", ""
}

// Check reports settings with which a mock cannot work.
func (m *Mock) Check() (path, text string) {
	if m.Fault != "" && !slices.Contains(faults, m.Fault) {
		return "fault", "is not one of " + strings.Join(faults, ", ")
	}
	return "", ""
}

// Check reports settings with which a catcher cannot work.
func (c *Catcher) Check() (path, text string) {
	switch {
	case c.Path == "":
		return "path", "must name a directory, such as data/mail"
	case c.Keep < 1:
		return "keep", "must be at least 1"
	}
	return "", ""
}
