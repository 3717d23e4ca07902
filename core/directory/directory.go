// Package directory is where users are kept.
package directory

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/idem"
	"patchbay/core/user"
	"patchbay/ports"
)

// Service keeps users.
type Service struct {
	users   ports.UserRepository
	standby *Standby // nil where there is none
	clock   ports.Clock
	ids     ports.IDs
}

// New makes a Service on a repository, with a standby for reading or nil.
func New(users ports.UserRepository, standby *Standby, clock ports.Clock, ids ports.IDs) *Service {
	return &Service{users: users, standby: standby, clock: clock, ids: ids}
}

// NewUser is what a caller says of a user to be made.
type NewUser struct {
	Email    string
	Name     string
	Metadata map[string]string
}

// Create makes a user, once for each key. A repeat gets the user as it was
// created, and replayed is true.
//
// Invalid; Conflict with code email_taken, user_deleted (created under this key
// and deleted since) or idem.CodeMismatch; Unavailable; UnknownOutcome.
func (s *Service) Create(ctx context.Context, tenant string, n NewUser, key idem.Key) (u user.User, replayed bool, err error) {
	u, err = user.New(s.ids.New("usr"), tenant, n.Email, n.Name, n.Metadata, s.clock.Now())
	if err != nil {
		return user.User{}, false, err
	}
	err = s.users.Create(ctx, u, key)
	switch {
	case err == nil:
		return u, false, nil
	case fault.Is(err, fault.UnknownOutcome):
		// The commit's answer was lost. The id is ours alone: it tells.
		if stored, rerr := s.reread(ctx, tenant, u.ID); rerr == nil {
			return stored, false, nil
		}
	case !key.Empty() && fault.Is(err, fault.Conflict) && fault.From(err).Code == "key_taken":
		u, err = s.repeat(ctx, key)
		return u, err == nil, err
	}
	return user.User{}, false, err
}

func (s *Service) repeat(ctx context.Context, key idem.Key) (user.User, error) {
	c, err := s.users.FindByKey(ctx, key.Scoped)
	if err != nil {
		return user.User{}, err
	}
	if err := key.Match(c.Fingerprint); err != nil {
		return user.User{}, err
	}
	if c.Deleted {
		return user.User{}, fault.New(fault.Conflict, "user_deleted", "the user created under this key has been deleted")
	}
	return c.User, nil
}

// Get reads a user. NotFound.
func (s *Service) Get(ctx context.Context, tenant, id string, c Consistency) (user.User, Source, error) {
	return read(ctx, s, c, func(ctx context.Context, from reader) (user.User, error) { return from.FindByID(ctx, tenant, id) })
}

// FindByEmail reads a user by email, written in any way. NotFound.
func (s *Service) FindByEmail(ctx context.Context, tenant, email string, c Consistency) (user.User, Source, error) {
	email = user.NormalizeEmail(email)
	return read(ctx, s, c, func(ctx context.Context, from reader) (user.User, error) { return from.FindByEmail(ctx, tenant, email) })
}

// List reads users newest first. Invalid: the cursor is not one of ours.
func (s *Service) List(ctx context.Context, tenant, cursor string, limit int, c Consistency) (user.Page, Source, error) {
	return read(ctx, s, c, func(ctx context.Context, from reader) (user.Page, error) {
		return from.List(ctx, tenant, cursor, limit)
	})
}
