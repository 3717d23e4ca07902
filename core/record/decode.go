package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// Version is the version of the bodies that this program writes, and the highest that it
// reads. A body may state its version as recordVersion; without it the version is 1. Increase it
// when the meaning of a member changes, or when a new member must not get lost, so that no older
// program overwrites such a body.
const Version = 1

// CodeUndecodable is the code of a failure to decode stored data.
const CodeUndecodable = "undecodable_record"

// Decode decodes the body of a record: a JSON object that holds a T. holds reports whether the
// value is the one that the record's name says. It is needed because the JSON of another type
// decodes to some T as well, an empty one. Bodies are decoded only by this function, so that an
// undecodable body is never replaced by a default which a later save would write.
//
// Internal with CodeUndecodable: the body is not an object, has another type or version, or
// belongs to another name. The record must stay unchanged, byte for byte: a newer program may be
// able to read it.
func Decode[T any](r ports.Record, holds func(T) bool) (T, error) {
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

// DecodeJSON is Decode for a JSON object that is stored besides a body, or in columns of its
// own. what names it in the error.
func DecodeJSON(what string, raw []byte, into any) error {
	if err := unmarshal(raw, into); err != nil {
		return undecodable(what, err)
	}
	return nil
}

func undecodable(what string, err error) error {
	return &fault.Error{Kind: fault.Internal, Op: "decode " + what, Code: CodeUndecodable, Err: err}
}

func unmarshal(raw []byte, into any) error {
	if object := bytes.TrimLeft(raw, " \t\r\n"); len(object) == 0 || object[0] != '{' {
		return errors.New("it is no JSON object")
	}
	if bytes.Contains(raw, []byte(`"recordVersion"`)) { // rare, since such a body is decoded twice
		var says struct {
			RecordVersion int `json:"recordVersion"`
		}
		if err := json.Unmarshal(raw, &says); err != nil {
			return err
		}
		if says.RecordVersion > Version {
			return fmt.Errorf("it was written by a newer version: %d, and %d is known", says.RecordVersion, Version)
		}
	}
	return json.Unmarshal(raw, into)
}

// Storable returns Invalid unless the record can be saved.
func Storable(r *ports.Record) error {
	switch {
	case r.ID == "" || r.Kind == "" || len(r.Body) == 0:
		return fault.New(fault.Invalid, "invalid_record", "a record needs an id, a kind and a body")
	case r.Partial:
		return fault.New(fault.Invalid, "partial_record", "a record from a list is read again before it is saved: it has more than the list shows")
	}
	return checkTerms(r.Terms)
}

func checkTerms(terms []string) error {
	bad := func(t string) bool {
		return t == "" || len(t) > ports.MaxTermBytes || !utf8.ValidString(t) || strings.ContainsRune(t, 0)
	}
	if len(terms) > ports.MaxTerms || slices.ContainsFunc(terms, bad) {
		return fault.New(fault.Invalid, "invalid_terms", fmt.Sprintf("a record has at most %d terms, texts of 1 to %d bytes", ports.MaxTerms, ports.MaxTermBytes))
	}
	return nil
}

// Attachable returns Invalid unless a record can be attached with its children.
func Attachable(parent *ports.Record, children []*ports.Record) error {
	for _, c := range children {
		if c.ID == "" || c.Kind == "" || len(c.Body) == 0 || c.Tenant != parent.Tenant || c.Rev != 0 || c.Idem != "" || c.Ref != "" || len(c.Events) > 0 {
			return fault.New(fault.Invalid, "invalid_child", "a child is new, of the record's tenant, and has an id, a kind and a body; no key, no reference and no events")
		}
		if err := checkTerms(c.Terms); err != nil {
			return err
		}
	}
	if parent.Rev != 0 {
		return fault.New(fault.Invalid, "invalid_record", "only a new record is attached")
	}
	return nil
}

// DecodeTerms is Decode for the terms of a record, which a store may keep as a JSON array besides the
// body. No raw bytes are no terms.
func DecodeTerms(raw []byte) (terms []string, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &terms); err != nil {
		return nil, undecodable("terms of a record", err)
	}
	return terms, nil
}

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
