package ports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/user"
)

// RecordVersion is the version of what this program writes into bodies, and the latest
// that it reads. A body says its own as recordVersion, and has the first where it says
// none: whoever changes what a member means, or adds one that must not get lost, counts
// on, so that no older program writes over it.
const RecordVersion = 1

// CodeUndecodable is the code of the failure to decode what a store keeps.
const CodeUndecodable = "undecodable_record"

// Decode reads the body of a record: a JSON object that holds a T. holds reports whether
// it is the one that the record's name says, since JSON of any other type decodes to
// some T as well, an empty one. There is no other way to read a body: what cannot be
// decoded is never taken for a default that a later save would put in its place.
//
// Internal with CodeUndecodable: it is no object, has another type or version, or is of
// another name. The record is to stay as it is, byte for byte: a newer program may read it.
func Decode[T any](r Record, holds func(T) bool) (T, error) {
	return decode(r.Kind, r.Body, holds)
}

func decode[T any](what string, raw []byte, holds func(T) bool) (T, error) {
	var v T
	err := unmarshal(raw, &v)
	if err == nil && !holds(v) {
		err = errors.New("it is of another name or type")
	}
	if err != nil {
		var none T
		return none, undecodable(what, err)
	}
	return v, nil
}

// DecodeUser is Decode for the user of an id as it was, which a store of users keeps beside
// the user as it is.
func DecodeUser(raw []byte, id string) (user.User, error) {
	return decode("user as created", raw, func(u user.User) bool { return u.ID == id })
}

// DecodeJSON is Decode for what stands beside a body, or in columns of its own: a JSON
// object. what names it in the error.
func DecodeJSON(what string, raw []byte, into any) error {
	if err := unmarshal(raw, into); err != nil {
		return undecodable(what, err)
	}
	return nil
}

// DecodeMetadata is DecodeJSON for the metadata of a user, which stands in a column of its
// own. Its keys are the caller's: none of them is a version.
//
// Each read of a user decodes one. Where nothing is escaped the texts are taken as they stand,
// which spares encoding/json: see BenchmarkDecodeMetadata.
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

// plainTexts reads an object of texts in which nothing is escaped, without spaces between them.
// It is false for any other.
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

// plainText reads a text at the beginning of raw, and returns what comes after it.
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

func undecodable(what string, err error) error {
	return &fault.Error{Kind: fault.Internal, Op: "decode " + what, Code: CodeUndecodable, Err: err}
}

func unmarshal(raw []byte, into any) error {
	if object := bytes.TrimLeft(raw, " \t\r\n"); len(object) == 0 || object[0] != '{' {
		return errors.New("it is no JSON object")
	}
	if bytes.Contains(raw, []byte(`"recordVersion"`)) { // rarely: it is decoded twice then
		var says struct {
			RecordVersion int `json:"recordVersion"`
		}
		if err := json.Unmarshal(raw, &says); err != nil {
			return err
		}
		if says.RecordVersion > RecordVersion {
			return fmt.Errorf("it was written by a newer version: %d, and %d is known", says.RecordVersion, RecordVersion)
		}
	}
	return json.Unmarshal(raw, into)
}
