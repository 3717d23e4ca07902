package httpapi

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
)

// errUnknownStatus refuses a filter by which nothing would be listed, ever.
var errUnknownStatus = fault.InvalidParam("status", "invalid_status", "there is no such status")

// maxID is more than the length of any id.
const maxID = 255

// readTarget reads the id in the path, and refuses parameters of the query that
// the route does not have. What anybody may call takes any: a provider's webhook
// or a probe must not fail by what somebody has added to its URL.
func (r *request) readTarget() error {
	if r.route.scope == open {
		return nil
	}
	if raw := r.Params("id"); raw != "" {
		id, ok := decodeID(raw)
		if !ok {
			return fiber.ErrNotFound
		}
		r.object = id
	}
	return r.checkQuery()
}

// decodeID decodes an id of a path, once. Ids consist of characters that need no
// encoding (RFC 3986, section 2.3): whatever decodes to anything else is no id,
// and can neither be taken for another path nor break the scope of a key.
func decodeID(raw string) (string, bool) {
	if len(raw) > 3*maxID {
		return "", false
	}
	id, err := url.PathUnescape(raw)
	if err != nil || len(id) > maxID || id == "." || id == ".." || strings.ContainsFunc(id, reserved) {
		return "", false
	}
	return strings.Clone(id), true
}

// reserved reports whether a character is none of RFC 3986's unreserved ones.
func reserved(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~", c))
}

// checkQuery refuses a parameter that the route does not have, or that is given
// twice: a filter that was misspelled would list everything.
func (r *request) checkQuery() error {
	if len(r.Request().URI().QueryString()) == 0 {
		return nil
	}
	var seen uint64 // by the place in params
	var err error
	r.Context().QueryArgs().VisitAll(func(key, value []byte) {
		if err != nil || len(key) == 0 && len(value) == 0 { // between two &
			return
		}
		place := slices.Index(r.route.params, string(key))
		switch {
		case place < 0:
			err = fault.InvalidParam(shown(string(key)), "unknown_parameter", "there is no such parameter here")
		case seen&(1<<place) != 0:
			err = fault.InvalidParam(r.route.params[place], "duplicate_parameter", "the parameter is given twice")
		default:
			seen |= 1 << place
		}
	})
	return err
}

// shown is a name that a caller gave, where it can be repeated: it may be
// anything, and long.
func shown(name string) string {
	if len(name) > 100 || !utf8.ValidString(name) {
		return ""
	}
	return name
}
