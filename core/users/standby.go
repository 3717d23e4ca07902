package users

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

const (
	copyKind  = "user_copy"       // kind of the users' records in the other store
	stateKind = "user_copy_state" // kind of the record of the copy's state
	stateID   = "state"

	statusPresent = "present"
	statusDeleted = "deleted" // only the user's id is left
)

// StandbyOptions configures a Standby. Users and Feed belong to the store that is copied.
type StandbyOptions struct {
	Users  ports.UserRepository
	Feed   ports.Feed
	Copy   ports.Records // belongs to the other store
	Clock  ports.Clock
	MaxLag time.Duration // how far the copy may have been behind when the store was last reached
	Log    *slog.Logger
}

// Standby is a copy of all users in another store. It is read while their own store is
// unavailable.
type Standby struct {
	StandbyOptions
	copies record.Repository[record.Entry[copied]]
	states record.Repository[record.Entry[state]]

	mu      sync.RWMutex
	asOf    time.Time // all changes before it are in the copy
	reached time.Time // when the store was last reached
}

// NewStandby returns a Standby. It is updated only while Run runs.
func NewStandby(o StandbyOptions) *Standby {
	return &Standby{
		StandbyOptions: o,
		copies:         record.Of(o.Copy, copyKind, func(c copied, id string) bool { return c.Deleted || c.User.ID == id }),
		states:         record.Of(o.Copy, stateKind, func(at state, _ string) bool { return at.Seq > 0 || at.Rebuild || !at.AsOf.IsZero() }),
	}
}

// copied is a user as it is stored in the copy.
type copied struct {
	User    user.User `json:"user,omitzero"`
	Deleted bool      `json:"deleted,omitempty"`
	Stale   bool      `json:"stale,omitempty"` // another user has its email now, and its own new email is not copied yet
}

func address(tenant, email string) string { return tenant + "|" + email }

// AsOf returns the time up to which the copy has all changes. Unavailable: it was too far behind
// when the store was last reached, or was never updated.
func (s *Standby) AsOf() (time.Time, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.asOf.IsZero() || s.reached.Sub(s.asOf) > s.MaxLag {
		return s.asOf, fault.New(fault.Unavailable, "standby_behind", "the database is not available, and its copy is too old")
	}
	return s.asOf, nil
}

// Lag returns how far the copy was behind when the store was last reached.
func (s *Standby) Lag() time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reached.Sub(s.asOf)
}

// FindByID reads a user from the copy. NotFound; Unavailable.
func (s *Standby) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return present(s.copies.Get(ctx, tenant, id))
}

// FindByEmail reads a user from the copy by normalised email. NotFound; Unavailable.
func (s *Standby) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return present(s.copies.Find(ctx, ports.ByRef, address(tenant, email)))
}

// List reads users from the copy, newest first. Its cursors are interchangeable with those of
// the store. Invalid; Unavailable.
func (s *Standby) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	all, next, err := s.copies.List(ctx, tenant, ports.Filter{Status: statusPresent}, cursor, limit)
	page := user.Page{Next: next}
	for _, c := range all {
		page.Users = append(page.Users, c.Value.User)
	}
	return page, err
}

func present(c record.Entry[copied], err error) (user.User, error) {
	if err == nil && c.Value.Deleted {
		err = fault.New(fault.NotFound, "user_not_found", "there is no such user")
	}
	return c.Value.User, err
}
