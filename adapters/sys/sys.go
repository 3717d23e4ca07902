// Package sys gives the core what it takes from the machine: the time and
// identifiers.
package sys

import (
	"encoding/base32"
	"time"

	"github.com/google/uuid"

	"patchbay/ports"
)

var (
	_ ports.Clock = Clock{}
	_ ports.IDs   = IDs{}
)

// Clock is the machine's clock.
type Clock struct{}

// Now returns the time in UTC and whole microseconds, which every store keeps.
func (Clock) Now() time.Time { return now().UTC().Truncate(time.Microsecond) }

// IDs makes identifiers from UUIDs of version 7 (RFC 9562), which begin with
// the time.
type IDs struct{}

// crockford sorts as the bytes do, and has no letters that look alike.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix, an underscore and 26 characters.
func (IDs) New(prefix string) string {
	id := uuid.Must(uuid.NewV7())
	var text [64]byte // of most ids: they are made there
	return string(crockford.AppendEncode(append(append(text[:0], prefix...), '_'), id[:]))
}
