package user

import (
	"context"
	"slices"
)

// Person is somebody whose data is looked for: a user, or whoever has an address.
type Person struct {
	Tenant string   `json:"tenant"`
	UserID string   `json:"userId,omitempty"` // usr_…, where it is known
	Emails []string `json:"emails,omitempty"` // normalized
}

// Has reports whether an address is the person's, written in any way.
func (p Person) Has(email string) bool { return slices.Contains(p.Emails, NormalizeEmail(email)) }

// Is reports whether a value names the person: by its id, or by an address.
func (p Person) Is(value string) bool {
	return value != "" && (value == p.UserID || p.Has(value))
}

// Trace is one thing that holds data of a person, where it is kept.
type Trace struct {
	ID string
	// View is the thing as the person may see it, in a form for JSON. It is nil where
	// the thing is to be erased, and nothing tells any more whose it was.
	View any
	// Pending says why it cannot be erased yet, empty where it can.
	Pending string
	// Erase takes the person's data out of it. Twice is the same as once. Conflict:
	// it cannot be done yet, and the message says why. Unavailable; UnknownOutcome.
	Erase func(ctx context.Context) error
}
