package httpapi

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"patchbay/core/fault"
	"patchbay/core/idem"
)

const headerIdempotencyKey = "Idempotency-Key"

// idempotencyKey reads the caller's key, empty where none is sent. A header
// that is sent must hold one key: a caller who sends an empty one, or two,
// believes to be protected.
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

// scopedKey is the caller's key within its tenant and its route, with a digest
// of the body. The scope is made of the route's pattern and the decoded id, so
// that it does not depend on how the path was spelled.
func (r *request) scopedKey(value string, body []byte) (idem.Key, error) {
	if value == "" {
		return idem.Key{}, nil
	}
	canonical := jsontext.Value(bytes.Clone(body))
	if err := canonical.Canonicalize(); err != nil {
		return idem.Key{}, explain(err)
	}
	scope := strings.Replace(r.route.name, ":id", r.object, 1)
	return idem.New(r.tenant, scope, value, canonical), nil
}

// parseKey reads the value of an Idempotency-Key: a string of RFC 8941 without
// parameters, or, where it does not begin with a quotation mark, the key itself,
// as most clients send it.
func parseKey(header string) (string, error) {
	value := header
	if strings.HasPrefix(header, `"`) {
		var ok bool
		if value, ok = unquote(header); !ok {
			return "", invalidKey("a quoted Idempotency-Key is one string of RFC 8941, without parameters")
		}
	}
	printable := !strings.ContainsFunc(value, func(c rune) bool { return c < 0x20 || c > 0x7e })
	if strings.Trim(value, " ") == "" || len(value) > 255 || !printable {
		return "", invalidKey("Idempotency-Key takes 1 to 255 printable ASCII characters, not all of them spaces")
	}
	return value, nil
}

// unquote reads a string of RFC 8941, section 3.3.3.
func unquote(quoted string) (string, bool) {
	text := quoted[1:]
	if end := len(text) - 1; end >= 0 && strings.IndexByte(text, '"') == end && strings.IndexByte(text, '\\') < 0 {
		return text[:end], true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return b.String(), i == len(text)-1
		case '\\':
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func invalidKey(message string) error {
	return fault.InvalidParam(headerIdempotencyKey, "invalid_idempotency_key", message)
}
