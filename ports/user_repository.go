package ports

import (
	"context"
	"time"

	"patchbay/core/idem"
	"patchbay/core/user"
)

// UserRepository keeps users. Each change is one durable write, and puts an
// event (user.created, user.updated, user.deleted, with the version as data)
// into the same store's feed.
//
// Any method may return Unavailable (proved: nothing was written) and, where it
// writes, UnknownOutcome (reread by id).
type UserRepository interface {
	// FindByID reads a user. NotFound, also for a deleted one.
	FindByID(ctx context.Context, tenant, id string) (user.User, error)

	// FindByEmail reads a user by normalised email. NotFound.
	FindByEmail(ctx context.Context, tenant, email string) (user.User, error)

	// FindByKey reads what was created under a scoped idempotency key. NotFound.
	FindByKey(ctx context.Context, scoped string) (user.Creation, error)

	// Create stores a new user under a key, which may be the zero Key. Conflict with
	// code key_taken, email_taken or id_taken; key_taken where several hold.
	Create(ctx context.Context, u user.User, key idem.Key) error

	// Update applies a partial change. ifVersion 0 means any version. Two
	// updates at once are applied one after the other, none is lost. NotFound;
	// Conflict with code version_mismatch or email_taken; Invalid from the patch.
	Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error)

	// Delete removes a user and all personal data; the key under which it was
	// created stays taken. ifVersion 0 means any version. NotFound; Conflict
	// with code version_mismatch.
	Delete(ctx context.Context, tenant, id string, ifVersion int64) error

	// List reads users newest first: limit of them after the cursor, or fewer where
	// they have PageBytes together. Only the last page has no Next. A user that was
	// there all along is listed exactly once. Invalid: the cursor is not one of ours.
	List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error)

	// Purge gives up the keys of up to n users of all tenants who were created before
	// a moment, and removes what is left of those who are deleted. It returns how many,
	// 0 where no more are left.
	Purge(ctx context.Context, before time.Time, n int) (int, error)
}
