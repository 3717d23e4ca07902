package user

import (
	"context"
	"slices"
)

// Person is a person whose data is searched for: a user, or the owner of an address.
type Person struct {
	Tenant string   `json:"tenant"`
	UserID string   `json:"userId,omitempty"` // usr_…, if known
	Emails []string `json:"emails,omitempty"` // in the form of Mailbox
	// ASCIIAddress is what Mailbox takes; the addresses that Has compares may have domains in any script.
	ASCIIAddress func(email string) (ascii string, err error) `json:"-"`
}

// Has reports whether an address is one of the person's mailboxes, however it is written.
func (p Person) Has(email string) bool {
	return slices.Contains(p.Emails, Mailbox(email, p.ASCIIAddress))
}

// Is reports whether a value is the person's id or one of their addresses.
func (p Person) Is(value string) bool {
	return value != "" && (value == p.UserID || p.Has(value))
}

// PersonalObject is one stored object with data of a person.
type PersonalObject struct {
	ID string
	// View is the object as it may be disclosed to the person, in a form for JSON. It is nil for
	// an object that is to be erased although nothing tells any more whose it was.
	View any
	// Pending says why the object cannot be erased yet; empty if it can.
	Pending string
	// Unreadable is why the object cannot be read; then there is nothing but it and the ID, and nobody knows whether
	// the object is the person's.
	Unreadable error
	// Erase removes the person's data from the object. It is idempotent. Conflict: it cannot be
	// done yet, and the message says why. Unavailable; UnknownOutcome.
	Erase func(ctx context.Context) error
}
