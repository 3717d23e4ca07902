package table

import (
	"encoding/json"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

// The columns of users, in the order of UserValues. An update writes those of ChangedNames, and
// finds the user by the first two.
const (
	ChangedNames = `tenant, id, version, email, name, metadata, updated, original, deleted`
	UserNames    = ChangedNames + `, created, idem, fingerprint`
)

// The columns of a user as ScanUser reads them, and as ScanCreation and ScanEntry do.
const (
	UserColumns   = `id, tenant, coalesce(email, ''), name, metadata, version, created, updated`
	StoredColumns = UserColumns + `, fingerprint, original, deleted, coalesce(idem, '')`
)

// NewUser is a user to be created, with the events that report the creation.
type NewUser struct {
	user.User
	Key    idempotency.Key
	Events []event.Event
}

// Changed is the new state of a user, another version or deleted, with the events that report the
// change.
type Changed struct {
	user.User
	Deleted bool
	Events  []event.Event
}

// Values returns the values of a new user, in the order of UserNames.
func (n *NewUser) Values() ([]any, error) {
	return storedValues(&ports.StoredUser{User: n.User, Key: n.Key})
}

// Values returns the values of a changed user, in the order of ChangedNames. The user as it was
// before is stored as the original, unless there is an older one.
func (c *Changed) Values(before user.User) ([]any, error) {
	s := ports.StoredUser{User: c.User, Original: &before, Deleted: c.Deleted}
	if c.Deleted {
		s.Original = nil
	}
	values, err := storedValues(&s)
	if err != nil {
		return nil, err
	}
	return values[:9], nil
}

func storedValues(s *ports.StoredUser) ([]any, error) {
	u := &s.User
	metadata, err := encode(len(u.Metadata) > 0, u.Metadata)
	if err != nil {
		return nil, err
	}
	original, err := encode(s.Original != nil, s.Original)
	if err != nil {
		return nil, err
	}
	return []any{
		u.Tenant, u.ID, u.Version, optional(&u.Email), u.Name, metadata, Micros(u.UpdatedAt), original, s.Deleted,
		Micros(u.CreatedAt), optional(&s.Key.Scoped), s.Key.Fingerprint,
	}, nil
}

// encode returns a value as JSON, or nil if there is none.
func encode(some bool, value any) ([]byte, error) {
	if !some {
		return nil, nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "table.user", err)
	}
	return raw, nil
}

// ScanUser reads UserColumns, and what the row has after them.
func ScanUser(row Row, more ...any) (user.User, error) {
	var u user.User
	var raw []byte
	var created, updated int64
	err := row.Scan(append([]any{&u.ID, &u.Tenant, &u.Email, &u.Name, &raw, &u.Version, &created, &updated}, more...)...)
	if err != nil {
		return user.User{}, err
	}
	u.CreatedAt, u.UpdatedAt = Moment(created), Moment(updated)
	if raw != nil {
		u.Metadata, err = record.DecodeMetadata(raw)
	}
	return u, err
}

// ScanCreation reads StoredColumns. Rows with more columns are not for it.
func ScanCreation(row Row, _ ...any) (user.Creation, error) {
	s, err := scanStored(row)
	return CreationOf(s), err
}

// CreationOf returns what is known of the creation of a user.
func CreationOf(s ports.StoredUser) user.Creation {
	c := user.Creation{User: s.User, Fingerprint: s.Key.Fingerprint, Deleted: s.Deleted}
	switch {
	case s.Deleted:
		c.User = user.User{ID: s.User.ID, Tenant: s.User.Tenant}
	case s.Original != nil:
		c.User = *s.Original
	}
	return c
}

func scanStored(row Row) (ports.StoredUser, error) {
	var s ports.StoredUser
	var original []byte
	var err error
	if s.User, err = ScanUser(row, &s.Key.Fingerprint, &original, &s.Deleted, &s.Key.Scoped); err != nil || original == nil {
		return s, err
	}
	first, err := record.DecodeUser(original, s.User.ID)
	s.Original = &first
	return s, err
}
