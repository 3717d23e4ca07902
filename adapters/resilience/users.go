package resilience

import (
	"context"
	"time"

	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/ports"
)

var _ ports.UserRepository = users{}

type users struct{ s *Storage }

// FindByID implements ports.UserRepository.
func (u users) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return callStore(ctx, u.s, "user", func(ctx context.Context, o *Store) (user.User, error) { return o.Users.FindByID(ctx, tenant, id) })
}

// FindByEmail implements ports.UserRepository.
func (u users) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return callStore(ctx, u.s, "user", func(ctx context.Context, o *Store) (user.User, error) {
		return o.Users.FindByEmail(ctx, tenant, email)
	})
}

// FindByKey implements ports.UserRepository.
func (u users) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	return callStore(ctx, u.s, "user", func(ctx context.Context, o *Store) (user.Creation, error) { return o.Users.FindByKey(ctx, scoped) })
}

// Create implements ports.UserRepository.
func (u users) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	return u.s.do(ctx, "create user", func(ctx context.Context, o *Store) error { return o.Users.Create(ctx, n, key) })
}

// Update implements ports.UserRepository.
func (u users) Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error) {
	return callStore(ctx, u.s, "update user", func(ctx context.Context, o *Store) (user.User, error) {
		return o.Users.Update(ctx, tenant, id, patch, ifVersion)
	})
}

// Delete implements ports.UserRepository.
func (u users) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	return u.s.do(ctx, "delete user", func(ctx context.Context, o *Store) error { return o.Users.Delete(ctx, tenant, id, ifVersion) })
}

// List implements ports.UserRepository.
func (u users) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	return callStore(ctx, u.s, "list users", func(ctx context.Context, o *Store) (user.Page, error) {
		return o.Users.List(ctx, tenant, cursor, limit)
	})
}

// Purge implements ports.UserRepository.
func (u users) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	return callStore(ctx, u.s, "purge users", func(ctx context.Context, o *Store) (int, error) { return o.Users.Purge(ctx, before, n) })
}
