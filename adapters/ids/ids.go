// Package ids makes identifiers.
package ids

import (
	"encoding/base32"

	"github.com/google/uuid"

	"patchbay/ports"
)

var _ ports.IDs = UUIDs{}

// UUIDs makes identifiers from UUIDs of version 7 (RFC 9562), which begin with
// the time.
type UUIDs struct{}

// crockford sorts as the bytes do, and has no letters that look alike.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix, an underscore and 26 characters.
func (UUIDs) New(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	var text [64]byte // of most ids: they are made there
	return string(crockford.AppendEncode(append(append(text[:0], prefix...), '_'), id[:]))
}
