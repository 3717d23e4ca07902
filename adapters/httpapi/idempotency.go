package httpapi

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
)

const headerIdempotencyKey = "Idempotency-Key"

// idempotencyKey reads the caller's key, or "" if none is sent. If the header is sent it
// must hold exactly one key: a caller that sends an empty one, or two, expects to be
// protected.
func (r *request) idempotencyKey() (string, error) {
	sent := r.Request().Header.PeekAll(headerIdempotencyKey)
	switch len(sent) {
	case 0:
		return "", nil
	case 1:
		return parseKey(string(bytes.Trim(sent[0], " \t")))
	}
	return "", invalidKey("send one Idempotency-Key only")
}

// scopedKey returns the caller's key, scoped to its tenant and route, with a digest of the
// body, which is concealed. The scope is built from the route's pattern and the decoded id, so that it does not
// depend on how the path was encoded.
func (r *request) scopedKey(value string, body []byte) (idempotency.Key, error) {
	if value == "" {
		return idempotency.Key{}, nil
	}
	canonical := jsontext.Value(bytes.Clone(body))
	if err := canonical.Canonicalize(); err != nil {
		return idempotency.Key{}, decodeError(err)
	}
	scope := strings.Replace(r.route.name, ":id", r.id, 1)
	return r.server.Keys.Conceal(idempotency.New(r.caller.Tenant, scope, value, canonical)), nil
}

var (
	// quotedKey is a string of RFC 8941, section 3.3.3.
	quotedKey = regexp.MustCompile(`^"((?:[^"\\]|\\["\\])*)"$`)
	unescape  = strings.NewReplacer(`\"`, `"`, `\\`, `\`)
)

// parseKey parses the value of an Idempotency-Key header: an RFC 8941 string without
// parameters or, if it does not begin with a quotation mark, the key itself, as most
// clients send it.
func parseKey(header string) (string, error) {
	value := header
	if strings.HasPrefix(header, `"`) {
		quoted := quotedKey.FindStringSubmatch(header)
		if quoted == nil {
			return "", invalidKey("a quoted Idempotency-Key is one string of RFC 8941, without parameters")
		}
		value = unescape.Replace(quoted[1])
	}
	printable := !strings.ContainsFunc(value, func(c rune) bool { return c < 0x20 || c > 0x7e })
	if strings.Trim(value, " ") == "" || len(value) > 255 || !printable {
		return "", invalidKey("Idempotency-Key takes 1 to 255 printable ASCII characters, not all of them spaces")
	}
	return value, nil
}

func invalidKey(message string) error {
	return fault.InvalidParam(headerIdempotencyKey, "invalid_idempotency_key", message)
}
