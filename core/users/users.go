// Package users creates, reads, changes and deletes users. A user is created once per
// idempotency key.
package users

import (
	"context"

	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

// Service manages users.
type Service struct {
	users   ports.UserRepository
	standby *Standby // nil if there is none
	clock   ports.Clock
	ids     ports.IDs
	scripts user.Scripts
}

// New returns a Service on a repository. standby may be nil.
func New(users ports.UserRepository, standby *Standby, clock ports.Clock, ids ports.IDs, scripts user.Scripts) *Service {
	return &Service{users: users, standby: standby, clock: clock, ids: ids, scripts: scripts}
}

// NewUser is the user that a caller wants to create.
type NewUser struct {
	Email    string
	Name     string
	Metadata map[string]string
}

// Create creates a user, once per idempotency key. A repeated request returns the user as it was
// created, with replayed set.
//
// Invalid; Conflict with code email_taken, user_deleted (created under this key and deleted
// since) or idempotency.CodeMismatch; Unavailable; UnknownOutcome.
func (s *Service) Create(ctx context.Context, tenant string, n NewUser, key idempotency.Key) (u user.User, replayed bool, err error) {
	u, err = user.New(s.ids.New("usr"), tenant, s.scripts.Mailbox(n.Email), n.Name, n.Metadata, s.clock.Now())
	if err != nil {
		return user.User{}, false, err
	}
	if err := s.checkSpellings(ctx, tenant, "", n.Email); err != nil {
		return s.replayDespite(ctx, key, err)
	}
	err = s.users.Create(ctx, u, key)
	switch {
	case err == nil:
		return u, false, nil
	case fault.Is(err, fault.UnknownOutcome):
		// The response to the commit was lost. Only this call uses the id, so if it exists the
		// commit succeeded.
		if stored, rerr := s.reread(ctx, tenant, u.ID); rerr == nil {
			return stored, false, nil
		}
	case !key.Empty() && fault.Is(err, fault.Conflict) && fault.From(err).Code == "key_taken":
		u, err = s.replay(ctx, key)
		return u, err == nil, err
	}
	return user.User{}, false, err
}

// checkSpellings returns Conflict with code email_taken if another user than id has the mailbox, and is
// stored in the form of an earlier version, which the store does not compare with the present one.
// Unavailable.
func (s *Service) checkSpellings(ctx context.Context, tenant, id, email string) error {
	for _, one := range s.scripts.Spellings(email)[1:] {
		switch u, err := s.users.FindByEmail(ctx, tenant, one); {
		case fault.Is(err, fault.NotFound), err == nil && u.ID == id:
		case err != nil:
			return err
		default:
			return &fault.Error{Kind: fault.Conflict, Code: "email_taken", Param: "email", Message: "another user has this email"}
		}
	}
	return nil
}

// replayDespite answers a request that is refused: if its key is taken, it may be the repeat of one that was
// not.
func (s *Service) replayDespite(ctx context.Context, key idempotency.Key, err error) (u user.User, replayed bool, _ error) {
	if key.Empty() {
		return user.User{}, false, err
	}
	u, rerr := s.replay(ctx, key)
	if fault.Is(rerr, fault.NotFound) {
		return user.User{}, false, err
	}
	return u, rerr == nil, rerr
}

func (s *Service) replay(ctx context.Context, key idempotency.Key) (user.User, error) {
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

// FindByEmail reads the user of a mailbox, however its address is written. NotFound.
func (s *Service) FindByEmail(ctx context.Context, tenant, email string, c Consistency) (user.User, Source, error) {
	return read(ctx, s, c, func(ctx context.Context, from reader) (user.User, error) { return s.find(ctx, from, tenant, email) })
}

// find reads the user of a mailbox, in whichever form its address is stored. NotFound.
func (s *Service) find(ctx context.Context, from reader, tenant, email string) (u user.User, err error) {
	for _, one := range s.scripts.Spellings(email) {
		if u, err = from.FindByEmail(ctx, tenant, one); !fault.Is(err, fault.NotFound) {
			break
		}
	}
	return u, err
}

// List reads users, newest first. Invalid: the cursor is not one of ours.
func (s *Service) List(ctx context.Context, tenant, cursor string, limit int, c Consistency) (user.Page, Source, error) {
	return read(ctx, s, c, func(ctx context.Context, from reader) (user.Page, error) {
		return from.List(ctx, tenant, cursor, limit)
	})
}
