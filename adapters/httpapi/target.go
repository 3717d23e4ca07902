package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"patchbay/core/fault"
)

// errUnknownStatus refuses a filter by which nothing would be listed, ever.
var errUnknownStatus = fault.InvalidParam("status", "invalid_status", "there is no such status")

// maxSegment is more than the length of any id.
const maxSegment = 255

// wellFormed reports whether each segment of a path is, decoded once, made of
// characters that need no encoding (RFC 3986, section 2.3). All routes and ids
// are. What decodes to a slash, a dot segment or another escape is neither taken
// for another path, nor can it break the scope of a key.
func wellFormed(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || len(decoded) > maxSegment || decoded == "." || decoded == ".." || strings.ContainsFunc(decoded, reserved) {
			return false
		}
	}
	return true
}

// reserved reports whether a character is none of RFC 3986's unreserved ones.
func reserved(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		return false
	}
	return true
}

// readTarget reads the id in the path, and refuses parameters of the query that
// the route does not have. What anybody may call takes any: a provider's webhook
// or a probe must not fail by what somebody has added to its URL.
func (r *request) readTarget() error {
	if r.route.scope == open {
		return nil
	}
	id, _ := url.PathUnescape(r.Params("id")) // the path is well formed
	r.object = strings.Clone(id)
	return r.checkQuery()
}

// checkQuery refuses a parameter that the route does not have, or that is given
// twice: a filter that was misspelled would list everything.
func (r *request) checkQuery() error {
	if len(r.Request().URI().QueryString()) == 0 {
		return nil
	}
	var seen uint64 // by the place in params
	for key, value := range r.Context().QueryArgs().All() {
		if len(key) == 0 && len(value) == 0 { // between two &
			continue
		}
		place := slices.Index(r.route.params, string(key))
		if place < 0 {
			return fault.InvalidParam(shown(string(key)), "unknown_parameter", "there is no such parameter here")
		}
		if seen&(1<<place) != 0 {
			return fault.InvalidParam(r.route.params[place], "duplicate_parameter", "the parameter is given twice")
		}
		seen |= 1 << place
	}
	return nil
}

// shown is a name that a caller gave, where it can be repeated: it may be
// anything, and long.
func shown(name string) string {
	if len(name) > 100 || !utf8.ValidString(name) {
		return ""
	}
	return name
}
