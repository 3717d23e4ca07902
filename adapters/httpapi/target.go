package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"patchbay/core/fault"
)

// unknownStatus refuses a status filter that never matches.
func unknownStatus[S ~string](all []S) error {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = string(one)
	}
	return fault.InvalidParam("status", "invalid_status", "status must be one of "+strings.Join(names, ", "))
}

const (
	alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	unreserved   = alphanumeric + "-._~" // RFC 3986, section 2.3
)

// maxSegment exceeds the length of any id.
const maxSegment = 255

// wellFormed reports whether each segment of a path, decoded once, consists of characters
// that need no encoding. All routes and ids do. A segment that
// decodes to a slash, a dot segment or another escape is thus neither taken for another
// path nor able to break the scope of a key.
func wellFormed(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || len(decoded) > maxSegment || decoded == "." || decoded == ".." || strings.Trim(decoded, unreserved) != "" {
			return false
		}
	}
	return true
}

// readTarget reads the id in the path, and refuses query parameters that the route does not
// have. Open routes accept any: a provider's webhook or a health probe must not fail
// because of a parameter that was added to its URL.
func (r *request) readTarget() error {
	if r.route.scope == open {
		return nil
	}
	id, _ := url.PathUnescape(r.Params("id")) // the path is well formed
	r.id = id
	return r.checkQuery()
}

// checkQuery refuses unknown, repeated and empty parameters: with a misspelled filter, or with one from a
// variable that is not set, everything would be listed. The value of a key of an object may be empty: it
// selects what has the empty value.
func (r *request) checkQuery() error {
	if len(r.Request().URI().QueryString()) == 0 {
		return nil
	}
	var seen uint64      // bit set by index in params
	var objects []string // keys seen of parameters with one value for each key
	for key, value := range r.Context().QueryArgs().All() {
		if len(key) == 0 && len(value) == 0 { // empty, as between two &
			continue
		}
		name, inside := splitKey(string(key))
		index := slices.Index(r.route.params, name)
		if index < 0 || strings.HasSuffix(name, object) != (inside != "") {
			return r.unknownParam(string(key))
		}
		if inside != "" {
			if slices.Contains(objects, string(key)) {
				return fault.InvalidParam(strings.TrimSuffix(name, object), "duplicate_parameter", "a key of the parameter is given twice")
			}
			objects = append(objects, string(key))
			continue
		}
		if seen&(1<<index) != 0 {
			return fault.InvalidParam(r.route.params[index], "duplicate_parameter", "the parameter is given twice")
		}
		seen |= 1 << index
		if len(value) == 0 {
			return emptyParam(r.route.params[index])
		}
	}
	return nil
}

// unknownParam returns the error of a key that is about no parameter of the route.
func (r *request) unknownParam(key string) error {
	plain, _, _ := strings.Cut(key, "[")
	hint := strings.Replace(meant(plain, r.route.params), object, "[KEY]", 1)
	return fault.InvalidParam(echoable(key), "unknown_parameter", "there is no such parameter here"+hint)
}

// emptyParam returns the error of a parameter, or of a field that selects, that is there without a value. Its
// code is that of a wrong value: invalid_created_from for createdFrom.
func emptyParam(name string) error {
	var code strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			code.WriteByte('_')
		}
		code.WriteRune(unicode.ToLower(r))
	}
	return fault.InvalidParam(name, "invalid_"+code.String(), name+" is empty; leave it out, or give it a value")
}

// object follows the name of a parameter that has a value for each of some keys, in the parameters of a
// route. In a query the key stands in the brackets: metadata[order]=1001, as style deepObject of OpenAPI
// has it.
const object = "[]"

// splitKey returns the parameter of a route that a key of the query is about and, of an object, the key
// in the brackets.
func splitKey(key string) (name, inside string) {
	name, rest, _ := strings.Cut(key, "[")
	inside, closed := strings.CutSuffix(rest, "]")
	if !closed || inside == "" {
		return key, ""
	}
	return name + object, inside
}

// echoable returns a name sent by a caller if it can be repeated in an answer, or "": it may
// be long or not valid text.
func echoable(name string) string {
	if len(name) > 100 || !utf8.ValidString(name) {
		return ""
	}
	return name
}
