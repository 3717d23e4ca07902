package ports

import (
	"context"
	"time"

	"patchbay/core/idempotency"
	"patchbay/core/user"
)

// UserRepository stores users. Each change is one durable write, and adds an event
// (user.created, user.updated, user.deleted, with the version as data) to the feed of the same
// store.
//
// Any method may return Unavailable (proved: nothing was written) and, where it writes,
// UnknownOutcome (reread by id).
type UserRepository interface {
	// FindByID reads a user. NotFound, also for a deleted user.
	FindByID(ctx context.Context, tenant, id string) (user.User, error)

	// FindByEmail reads a user by email as it is stored. NotFound.
	FindByEmail(ctx context.Context, tenant, email string) (user.User, error)

	// FindByKey reads the user created under a scoped idempotency key. NotFound.
	FindByKey(ctx context.Context, scoped string) (user.Creation, error)

	// Create stores a new user under a key, which may be the zero Key. Conflict with code
	// key_taken, email_taken or id_taken; key_taken if several apply.
	Create(ctx context.Context, u user.User, key idempotency.Key) error

	// Update applies a partial change. ifVersion 0 means any version. Concurrent updates are
	// applied one after the other; none is lost. NotFound; Conflict with code version_mismatch or
	// email_taken; Invalid from the patch.
	Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error)

	// Delete removes a user and all personal data; the key under which it was created stays taken.
	// ifVersion 0 means any version. NotFound; Conflict with code version_mismatch.
	Delete(ctx context.Context, tenant, id string, ifVersion int64) error

	// List reads users newest first: limit of them after the cursor, or fewer if they reach
	// PageBytes together. Only the last page has no Next. A user that exists during the whole
	// listing is listed exactly once. Invalid: the cursor is not one of ours.
	List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error)

	// Purge gives up the keys of up to n users of all tenants that were created before a time, and
	// removes what is left of those that are deleted. It returns how many it purged, 0 when none
	// are left.
	Purge(ctx context.Context, before time.Time, n int) (int, error)
}
