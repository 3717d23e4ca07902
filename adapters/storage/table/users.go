package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

// Users is the repository of users on a store's own table of them.
type Users struct {
	UserTable
	Clock ports.Clock
	IDs   ports.IDs
}

var _ ports.UserRepository = Users{}

// UserTable is the table of users of one store. Its first methods are those of
// ports.UserRepository.
type UserTable interface {
	FindByID(ctx context.Context, tenant, id string) (user.User, error)
	FindByEmail(ctx context.Context, tenant, email string) (user.User, error)
	FindByKey(ctx context.Context, scoped string) (user.Creation, error)
	List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error)
	Purge(ctx context.Context, before time.Time, n int) (int, error)

	// HasID reports whether an id is taken, also by a deleted user.
	HasID(ctx context.Context, tenant, id string) (bool, error)

	// Insert adds a user, unless its key, email or id is taken.
	Insert(ctx context.Context, n NewUser) (inserted bool, err error)

	// Change replaces a user by what change makes of it. change makes no calls; it is called
	// again if the user has changed in the meantime, and its error ends the change. NotFound;
	// Conflict: the email is taken.
	Change(ctx context.Context, tenant, id string, change func(before user.User) (Changed, error)) error
}

var errEmailTaken = &fault.Error{Kind: fault.Conflict, Code: "email_taken", Param: "email", Message: "another user has this email"}

// Create implements ports.UserRepository.
func (u Users) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	one := NewUser{n, key, u.events("created", n)}
	for {
		if inserted, err := u.Insert(ctx, one); err != nil || inserted {
			return err
		}
		if err := u.taken(ctx, n, key); err != nil {
			return err
		}
	}
}

// taken reports which unique value of a new user already exists, or nil if none does any more.
func (u Users) taken(ctx context.Context, n user.User, key idempotency.Key) error {
	if !key.Empty() {
		if _, err := u.FindByKey(ctx, key.Scoped); !fault.Is(err, fault.NotFound) {
			return cmp.Or[error](err, fault.New(fault.Conflict, "key_taken", "the idempotency key is taken"))
		}
	}
	if _, err := u.FindByEmail(ctx, n.Tenant, n.Email); !fault.Is(err, fault.NotFound) {
		return cmp.Or[error](err, errEmailTaken)
	}
	if taken, err := u.HasID(ctx, n.Tenant, n.ID); err != nil || taken {
		return cmp.Or[error](err, fault.New(fault.Conflict, "id_taken", "the id is taken"))
	}
	return nil
}

// Update implements ports.UserRepository.
func (u Users) Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error) {
	now := u.Clock.Now()
	var after user.User
	err := u.change(ctx, tenant, id, ifVersion, func(before user.User) (c Changed, err error) {
		after, err = before.Apply(patch, now)
		return Changed{User: after, Events: u.events("updated", after)}, err
	})
	if err != nil {
		return user.User{}, err // the write may still be running: after belongs to it
	}
	return after, nil
}

// Delete implements ports.UserRepository.
func (u Users) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	now := u.Clock.Now()
	return u.change(ctx, tenant, id, ifVersion, func(before user.User) (Changed, error) {
		deleted := user.User{ID: id, Tenant: tenant, Version: before.Version + 1, CreatedAt: before.CreatedAt, UpdatedAt: now}
		return Changed{User: deleted, Deleted: true, Events: u.events("deleted", deleted)}, nil
	})
}

// change changes a user at a version, 0 for any.
func (u Users) change(ctx context.Context, tenant, id string, ifVersion int64, to func(before user.User) (Changed, error)) error {
	var refused error // by the caller's own condition or change
	err := u.Change(ctx, tenant, id, func(before user.User) (c Changed, err error) {
		if ifVersion != 0 && before.Version != ifVersion {
			err = fault.New(fault.Conflict, "version_mismatch", fmt.Sprintf("the user is at version %d", before.Version))
		} else {
			c, err = to(before)
		}
		refused = err
		return c, err
	})
	if fault.Is(err, fault.Conflict) && !errors.Is(err, refused) {
		return errEmailTaken
	}
	return err
}

// events returns the event for a change of a user. It holds no personal data: readers of the feed
// fetch the user.
func (u Users) events(what string, n user.User) []event.Event {
	return []event.Event{{
		ID: u.IDs.New("fev"), Tenant: n.Tenant, Type: "user." + what, Subject: n.ID, At: n.UpdatedAt,
		Data: fmt.Appendf(nil, `{"version":%d}`, n.Version),
	}}
}
