package httpapi

import (
	"errors"
	"mime"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"patchbay/core/fault"
	"patchbay/core/idem"
)

// decode reads the body into a model, strictly: one JSON document, in UTF-8,
// every field known and written once. An empty body is an empty object, which
// a model with a required field then refuses. key is the caller's idempotency
// key for this request.
func (r *request) decode(into any) (key idem.Key, err error) {
	value, err := parseKey(r.Get("Idempotency-Key"))
	if err != nil {
		return idem.Key{}, err
	}
	body, err := r.raw()
	if err != nil {
		return idem.Key{}, err
	}
	if len(body) == 0 {
		body = []byte("{}")
	} else if kind, _, merr := mime.ParseMediaType(r.Get(fiber.HeaderContentType)); merr != nil || kind != fiber.MIMEApplicationJSON {
		return idem.Key{}, refuse(fiber.StatusUnsupportedMediaType, "content_type_unsupported", "send Content-Type: application/json")
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true)); err != nil {
		return idem.Key{}, explain(err)
	}
	if value == "" {
		return idem.Key{}, nil
	}
	canonical := jsontext.Value(append([]byte(nil), body...))
	if err := canonical.Canonicalize(); err != nil {
		return idem.Key{}, explain(err)
	}
	return idem.New(r.tenant, r.Method()+" "+strings.Clone(r.Path()), value, canonical), nil
}

// parseKey reads an Idempotency-Key: a string of RFC 8941, in quotes, or bare as
// most clients write it.
func parseKey(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	value := header
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(value[1 : len(value)-1])
	}
	printable := !strings.ContainsFunc(value, func(c rune) bool { return c < 0x20 || c > 0x7e })
	if value == "" || len(value) > 255 || !printable {
		return "", fault.InvalidParam("Idempotency-Key", "invalid_idempotency_key",
			"Idempotency-Key takes 1 to 255 printable ASCII characters")
	}
	return strings.Clone(value), nil
}

// explain says what is wrong with a body, and where, in the words of the API.
func explain(err error) error {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		at := param(semantic.JSONPointer)
		if errors.Is(err, json.ErrUnknownName) {
			return fault.InvalidParam(at, "unknown_field", "there is no such field")
		}
		return fault.InvalidParam(at, "wrong_type", "the value is not of the type that is expected here")
	case errors.As(err, &syntactic) && errors.Is(err, jsontext.ErrDuplicateName):
		return fault.InvalidParam(param(syntactic.JSONPointer), "duplicate_field", "the field is written twice")
	}
	return fault.New(fault.Invalid, "malformed_json", "the body is not one well-formed JSON document in UTF-8")
}

// param turns a JSON pointer (RFC 6901) into the way fields are named: to[0],
// metadata.order.
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
	// A name that is not ours may be anything, and long.
	if s := b.String(); len(s) <= 100 && strings.ToValidUTF8(s, "") == s {
		return s
	}
	return ""
}

// answer writes a model.
func (r *request) answer(status int, model any) error {
	body, err := json.Marshal(model, json.Deterministic(true))
	if err != nil {
		return fault.Wrap(fault.Internal, "httpapi.answer", err)
	}
	r.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return r.Status(status).Send(append(body, '\n')) // for those who read it in a terminal
}

// replayed marks the answer to a repeat.
func (r *request) replayed(yes bool) {
	if yes {
		r.Set("Idempotency-Replayed", "true")
	}
}
