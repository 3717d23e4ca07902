package httpapi

import (
	"bytes"
	"errors"
	"mime"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/spelling"
)

// strict is how bodies are decoded: unknown and duplicate fields are errors.
var strict = json.RejectUnknownMembers(true)

// strictNulls also refuses null, unless the model accepts it. By default the decoder turns
// null into a zero value, and a zero value may mean the full amount.
var strictNulls = json.JoinOptions(strict, json.WithUnmarshalers(json.UnmarshalFromFunc(refuseNull)))

var errNull = errors.New("null")

func refuseNull(d *jsontext.Decoder, into any) error {
	if d.PeekKind() != 'n' {
		return errors.ErrUnsupported // leave it to the decoder
	}
	switch into.(type) {
	case interface{ AcceptsNull() }, *any:
		return errors.ErrUnsupported
	}
	return errNull
}

// decode reads the body into a model, strictly: one JSON document, in UTF-8, without
// unknown or duplicate fields, and with null only where the model accepts it. An empty body
// is an empty object, which a model with a required field then refuses. key is the caller's
// idempotency key for this request.
func (r *request) decode(into any) (key idempotency.Key, err error) {
	value, err := r.idempotencyKey()
	if err != nil {
		return idempotency.Key{}, err
	}
	body, err := r.raw()
	if err != nil {
		return idempotency.Key{}, err
	}
	if len(body) == 0 {
		body = []byte("{}")
	} else if !r.sendsJSON() {
		return idempotency.Key{}, refuse(fiber.StatusUnsupportedMediaType, "content_type_unsupported", "send Content-Type: application/json")
	}
	options := strict
	if bytes.Contains(body, []byte("null")) { // a literal has no other spelling
		options = strictNulls
	}
	if err := json.Unmarshal(body, into, options); err != nil {
		return idempotency.Key{}, decodeError(err)
	}
	return r.scopedKey(value, body)
}

// sendsJSON reports whether the body is declared as JSON or, in a PATCH request, as a merge
// patch (RFC 7396).
func (r *request) sendsJSON() bool {
	kind, _, err := mime.ParseMediaType(r.Get(fiber.HeaderContentType))
	return err == nil && (kind == fiber.MIMEApplicationJSON || kind == "application/merge-patch+json" && r.Method() == fiber.MethodPatch)
}

// decodeError converts a decoding error to an error of the API that says what is wrong with a
// body, and where.
func decodeError(err error) error {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		at := param(semantic.JSONPointer)
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return fault.InvalidParam(at, "unknown_field", "there is no such field"+meant(semantic.JSONPointer.LastToken(), fieldsOf(semantic.GoType)))
		case errors.Is(err, errNull):
			return fault.InvalidParam(at, "null_not_allowed", "null is not a value here; leave the field out if it has none")
		}
		return fault.InvalidParam(at, "wrong_type", "the value must be "+wanted(semantic.GoType))
	case errors.As(err, &syntactic) && errors.Is(err, jsontext.ErrDuplicateName):
		return fault.InvalidParam(param(syntactic.JSONPointer), "duplicate_field", "the field is written twice")
	}
	return fault.New(fault.Invalid, "malformed_json", "the body is not one well-formed JSON document in UTF-8")
}

// meant names the one of some names that a caller has probably meant by a name that is none of them.
func meant(name string, names []string) string {
	if near := spelling.Nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// fieldsOf returns the names of the fields of a model.
func fieldsOf(model reflect.Type) (names []string) {
	if model == nil || model.Kind() != reflect.Struct {
		return nil
	}
	for field := range model.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// wanted describes the JSON value that a type of a model is decoded from.
func wanted(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	switch t {
	case reflect.TypeFor[time.Time]():
		return "a time such as 2026-11-30T12:00:00Z"
	case reflect.TypeFor[[]byte]():
		return "a string in base64"
	case reflect.TypeFor[api.StringOrMailbox]():
		return "a string, or an object with email and name"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "of another type"
	}
}

// param converts a JSON pointer (RFC 6901) to the API's field names: to[0], metadata.order.
func param(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return echoable(b.String())
}

// answer writes a model.
func (r *request) answer(model any) error {
	body, err := json.Marshal(model, json.Deterministic(true))
	if err != nil {
		return fault.Wrap(fault.Internal, "httpapi.answer", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return r.Send(append(body, '\n')) // a newline for terminals
}

// setReplayed marks the answer to a repeated request.
func (r *request) setReplayed(replayed bool) {
	if replayed {
		r.Set("Idempotency-Replayed", "true")
	}
}
