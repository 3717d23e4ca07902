package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

var _ ports.UserRepository = users{}

type users struct{ *Store }

const (
	userColumns = `id, tenant, coalesce(email, ''), name, metadata, version, created, updated`
	userByID    = `SELECT ` + userColumns + ` FROM patchbay_person WHERE tenant = $1 AND id = $2 AND NOT deleted`
	userByEmail = `SELECT ` + userColumns + ` FROM patchbay_person WHERE tenant = $1 AND email = $2`
	idTaken     = `SELECT 1 FROM patchbay_person WHERE tenant = $1 AND id = $2` // deleted users count, too
	userByKey   = `SELECT ` + userColumns + `, fingerprint, original, deleted FROM patchbay_person WHERE idem = $1`
)

var (
	insertUser = telling(`WITH s AS (INSERT INTO patchbay_person (tenant, id, email, name, metadata, version, created, updated, idem, fingerprint, deleted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9,''), $10, false) ON CONFLICT DO NOTHING RETURNING 1)`, 10)
	updateUser = telling(`WITH s AS (UPDATE patchbay_person SET email = $3, name = $4, metadata = $5, version = $6, updated = $7,
		original = CASE WHEN idem IS NULL THEN NULL ELSE coalesce(original, $8) END
		WHERE tenant = $1 AND id = $2 AND version = $9 AND NOT deleted RETURNING 1)`, 9)
	deleteUser = telling(`WITH s AS (UPDATE patchbay_person SET email = NULL, name = '', metadata = NULL, original = NULL, version = version + 1,
		updated = $3, deleted = true WHERE tenant = $1 AND id = $2 AND version = $4 AND NOT deleted RETURNING 1)`, 4)
)

// FindByID implements ports.UserRepository.
func (u users) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return u.found.do(ctx, userID{tenant, id})
}

// FindByEmail implements ports.UserRepository.
func (u users) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return u.one(ctx, userByEmail, tenant, email)
}

func (u users) one(ctx context.Context, query string, args ...any) (found user.User, err error) {
	err = u.row(ctx, "pgstore.user", query, args, func(row pgx.Row) (err error) {
		found, err = scanUser(row)
		return err
	})
	return found, err
}

// FindByKey implements ports.UserRepository.
func (u users) FindByKey(ctx context.Context, scoped string) (c user.Creation, err error) {
	err = u.row(ctx, "pgstore.user", userByKey, []any{scoped}, func(row pgx.Row) (err error) {
		c, err = scanCreation(row)
		return err
	})
	return c, err
}

// Create implements ports.UserRepository.
func (u users) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	metadata, err := encode(n.Metadata)
	if err != nil {
		return err
	}
	for {
		made, err := u.created.do(ctx, newUser{n, metadata, key, u.news("created", n)})
		if err != nil || made {
			return err
		}
		if err := u.taken(ctx, n, key); err != nil {
			return err
		}
	}
}

// taken reports which unique value of a new user already exists, or nil if none does any
// more.
func (u users) taken(ctx context.Context, n user.User, key idempotency.Key) error {
	if !key.Empty() {
		if _, err := u.FindByKey(ctx, key.Scoped); !fault.Is(err, fault.NotFound) {
			return orElse(err, fault.New(fault.Conflict, "key_taken", "the idempotency key is taken"))
		}
	}
	if _, err := u.FindByEmail(ctx, n.Tenant, n.Email); !fault.Is(err, fault.NotFound) {
		return orElse(err, errEmailTaken)
	}
	err := u.row(ctx, "pgstore.user", idTaken, []any{n.Tenant, n.ID}, func(row pgx.Row) error { return row.Scan(new(int)) })
	if !fault.Is(err, fault.NotFound) {
		return orElse(err, fault.New(fault.Conflict, "id_taken", "the id is taken"))
	}
	return nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

var errEmailTaken = &fault.Error{Kind: fault.Conflict, Code: "email_taken", Param: "email", Message: "another user has this email"}

// Update implements ports.UserRepository. If the user has changed between the read and the
// write, it starts over.
func (u users) Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error) {
	for {
		before, err := u.current(ctx, tenant, id, ifVersion)
		if err != nil {
			return user.User{}, err
		}
		after, err := before.Apply(patch, u.clock.Now())
		if err != nil {
			return user.User{}, err
		}
		switch done, err := u.replace(ctx, before, after); {
		case fault.Is(err, fault.Conflict):
			return user.User{}, errEmailTaken
		case err != nil:
			return user.User{}, err
		case done:
			return after, nil
		}
	}
}

func (u users) replace(ctx context.Context, before, after user.User) (bool, error) {
	metadata, err := encode(after.Metadata)
	if err != nil {
		return false, err
	}
	original, err := json.Marshal(before)
	if err != nil {
		return false, fault.Wrap(fault.Internal, "pgstore.user", err)
	}
	args := []any{after.Tenant, after.ID, after.Email, after.Name, metadata, after.Version, micros(after.UpdatedAt), original, before.Version}
	n, err := u.write(ctx, "pgstore.user", updateUser, append(args, columns(u.news("updated", after))...)...)
	return n > 0, err
}

// current reads a user, and checks its version.
func (u users) current(ctx context.Context, tenant, id string, ifVersion int64) (user.User, error) {
	found, err := u.FindByID(ctx, tenant, id)
	if err == nil && ifVersion != 0 && found.Version != ifVersion {
		return found, fault.New(fault.Conflict, "version_mismatch", fmt.Sprintf("the user is at version %d", found.Version))
	}
	return found, err
}

// Delete implements ports.UserRepository.
func (u users) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	for {
		gone, err := u.current(ctx, tenant, id, ifVersion)
		if err != nil {
			return err
		}
		at := gone.Version
		gone.Version, gone.UpdatedAt = at+1, u.clock.Now()
		args := []any{tenant, id, micros(gone.UpdatedAt), at}
		n, err := u.write(ctx, "pgstore.user", deleteUser, append(args, columns(u.news("deleted", gone))...)...)
		if err != nil || n > 0 {
			return err
		}
	}
}

// news returns the event for a change of a user. It holds no personal data: readers of the
// feed fetch the user.
func (u users) news(what string, n user.User) []event.Event {
	return []event.Event{{
		ID: u.ids.New("fev"), Tenant: n.Tenant, Type: "user." + what, Subject: n.ID, At: n.UpdatedAt,
		Data: fmt.Appendf(nil, `{"version":%d}`, n.Version),
	}}
}

func scanUser(row pgx.Row, more ...any) (user.User, error) {
	var u user.User
	var raw []byte
	var created, updated int64
	err := row.Scan(append([]any{&u.ID, &u.Tenant, &u.Email, &u.Name, &raw, &u.Version, &created, &updated}, more...)...)
	if err != nil {
		return user.User{}, err
	}
	u.CreatedAt, u.UpdatedAt = moment(created), moment(updated)
	if raw != nil {
		metadata, err := record.DecodeMetadata(raw)
		if err != nil {
			return user.User{}, err
		}
		u.Metadata = metadata
	}
	return u, nil
}

func scanCreation(row pgx.Row) (user.Creation, error) {
	var c user.Creation
	var original []byte
	u, err := scanUser(row, &c.Fingerprint, &original, &c.Deleted)
	if err != nil {
		return user.Creation{}, err
	}
	switch {
	case c.Deleted:
		c.User = user.User{ID: u.ID, Tenant: u.Tenant}
	case original != nil:
		c.User, err = record.DecodeUser(original, u.ID)
	default:
		c.User = u
	}
	return c, err
}

// encode returns metadata as JSON, or nil if there is none.
func encode(metadata map[string]string) ([]byte, error) {
	if len(metadata) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, "pgstore.user", err)
	}
	return raw, nil
}
