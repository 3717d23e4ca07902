package rfc5322

import (
	"slices"
	"strings"

	"patchbay/core/email"
)

// Recipients returns the addresses of To, Cc and Bcc in the form of ASCII, each once. It returns
// Invalid for an address that is not valid.
func Recipients(m email.Message) ([]string, error) {
	var to []string
	seen := make(map[string]bool)
	for _, a := range slices.Concat(m.To, m.Cc, m.Bcc) {
		ascii, err := ASCII(a.Email)
		if err != nil {
			return nil, err
		}
		if lower := strings.ToLower(ascii); !seen[lower] {
			seen[lower] = true
			to = append(to, ascii)
		}
	}
	return to, nil
}
