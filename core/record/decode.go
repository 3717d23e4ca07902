package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"patchbay/core/fault"
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
