package api

import (
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// StringOrMailbox is an address in one of its two spellings: ada@example.com or Ada <ada@example.com>, or
// an object with both parts. Its zero value is an absent address.
type StringOrMailbox struct {
	Text    string
	Mailbox *Mailbox // nil if the address is Text
}

// UnmarshalJSONFrom reads a string or an object.
func (a *StringOrMailbox) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*a = StringOrMailbox{}
	switch d.PeekKind() {
	case '{':
		a.Mailbox = new(Mailbox)
		return json.UnmarshalDecode(d, a.Mailbox)
	case '[', '0', 't', 'f':
		return &json.SemanticError{GoType: reflect.TypeFor[StringOrMailbox]()} // the decoder adds where it is
	default:
		return json.UnmarshalDecode(d, &a.Text)
	}
}
