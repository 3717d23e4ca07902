package api

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Nullable is a member of a merge patch (RFC 7396): absent, null or a value.
// Its zero value is an absent member. It is the only type of a model that takes
// null.
type Nullable[T any] struct {
	Present bool // the member was sent, as null or as a value
	Null    bool
	Value   T
}

// UnmarshalJSONFrom reads null or a value.
func (n *Nullable[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*n = Nullable[T]{Present: true}
	if d.PeekKind() == 'n' {
		n.Null = true
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &n.Value)
}

// AcceptsNull tells a decoder that refuses null from one that reads a patch.
func (*Nullable[T]) AcceptsNull() {}
