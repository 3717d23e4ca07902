package record

import (
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/ports"
)

// IsUndecodable reports whether an error says that stored data cannot be decoded.
func IsUndecodable(err error) bool {
	return fault.Is(err, fault.Internal) && fault.From(err).Code == CodeUndecodable
}

// Unreadable returns what WalkPast takes of those who look for the data of a person: a record that cannot be
// decoded is passed to found as an object that cannot be read.
func Unreadable(found func(user.PersonalObject) error) func(ports.Record, error) error {
	return func(r ports.Record, err error) error { return found(user.PersonalObject{ID: r.ID, Unreadable: err}) }
}
