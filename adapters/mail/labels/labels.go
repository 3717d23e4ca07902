// Package labels keeps the metadata, the marks and the tags of a message as labels: pairs of a name and
// a value, both of 1 to 256 letters and digits of ASCII, underscores and dashes. Resend and Amazon SES
// keep such pairs with a message, and return them in their events.
package labels

import (
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"patchbay/core/email"
)

// Label is what a provider keeps with a message.
type Label struct{ Name, Value string }

const (
	// tagName is the name of the label that holds the first tag of a message; the others are tag_2, tag_3 …
	tagName = "tag"
	// inHex ends the name of a mark whose value has a character that no label may have, such as the dot of
	// a tenant or of the id of a message in a batch: it is then in hexadecimal.
	inHex = "_hex"
	// longest is the length of the longest text of a label, in bytes.
	longest = 256
)

// Of returns the labels of a message, each name once: its metadata and the marks in the order of their
// names, then its tags.
func Of(m email.Message) (all []Label) {
	kept := m.Variables()
	for _, mark := range []string{email.IDVariable, email.TenantVariable, email.AttemptVariable} {
		if value := kept[mark]; value != "" && !isText(value) {
			delete(kept, mark)
			kept[mark+inHex] = hex.EncodeToString([]byte(value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		all = append(all, Label{name, kept[name]})
	}
	for i, value := range m.Tags {
		name := tagName
		if i > 0 {
			name = fmt.Sprintf("%s_%d", tagName, i+1)
		}
		all = append(all, Label{name, value})
	}
	return all
}

// Fit implements email.Features.Labels. A name of the metadata must not be that of a tag.
func Fit(name, value string) bool {
	return isText(value) && (name == "" || isText(name) && !ofTag.MatchString(name))
}

var ofTag = regexp.MustCompile(`^` + tagName + `(_\d+)?$`)

// isText reports whether a text can be the name or the value of a label.
func isText(s string) bool {
	return s != "" && len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
}

// Marks returns those of the labels that hold a mark, also in hexadecimal.
func Marks(all map[string]string) map[string]string {
	marks := maps.Clone(all)
	maps.DeleteFunc(marks, func(name, _ string) bool {
		name = strings.TrimSuffix(name, inHex)
		return name != email.IDVariable && name != email.TenantVariable && name != email.AttemptVariable
	})
	return marks
}

// Mark returns the value of a mark, which may be in hexadecimal, among labels by name.
func Mark(all map[string]string, name string) string {
	if raw, err := hex.DecodeString(all[name+inHex]); err == nil && len(raw) > 0 {
		return string(raw)
	}
	return all[name]
}
