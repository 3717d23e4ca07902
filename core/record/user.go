package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"patchbay/core/user"
)

// DecodeUser is Decode for the user as it was created, which a store of users keeps besides the
// current user. id is the user's id.
func DecodeUser(raw []byte, id string) (user.User, error) {
	return decode("user as created", raw, func(u user.User) bool { return u.ID == id })
}

// DecodeMetadata is DecodeJSON for the metadata of a user, which has a column of its own. Its
// keys are the caller's, so none of them is a version.
//
// It runs for each user that is read. An object without escapes is parsed directly, which avoids
// encoding/json: see BenchmarkDecodeMetadata.
func DecodeMetadata(raw []byte) (map[string]string, error) {
	if metadata, plain := plainTexts(raw); plain {
		return metadata, nil
	}
	var metadata map[string]string
	if object := bytes.TrimLeft(raw, " \t\r\n"); len(object) == 0 || object[0] != '{' {
		return nil, undecodable("metadata of a user", errors.New("it is no JSON object"))
	}
	if err := json.Unmarshal(raw, &metadata); err != nil {
		return nil, undecodable("metadata of a user", err)
	}
	return metadata, nil
}

// plainTexts parses a JSON object of strings that has no escapes, and no spaces between tokens.
// plain is false for anything else.
func plainTexts(raw []byte) (texts map[string]string, plain bool) {
	if len(raw) < 2 || raw[0] != '{' || raw[len(raw)-1] != '}' {
		return nil, false
	}
	texts = make(map[string]string)
	for rest := raw[1 : len(raw)-1]; len(rest) > 0 || len(texts) > 0; rest = rest[1:] {
		name, after, ok := plainText(rest)
		if !ok || len(after) == 0 || after[0] != ':' {
			return nil, false
		}
		value, after, ok := plainText(after[1:])
		if !ok || len(after) > 0 && after[0] != ',' {
			return nil, false
		}
		texts[name] = value
		if rest = after; len(rest) == 0 {
			break
		}
	}
	return texts, true
}

// plainText parses a string at the beginning of raw, and returns what follows it.
func plainText(raw []byte) (text string, after []byte, plain bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", nil, false
	}
	for i, c := range raw[1:] {
		switch {
		case c == '"':
			text := raw[1 : i+1]
			return string(text), raw[i+2:], utf8.Valid(text)
		case c < ' ' || c == '\\':
			return "", nil, false
		}
	}
	return "", nil, false
}
