package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/record"
	"patchbay/core/user"
	"patchbay/ports"
)

var _ ports.UserRepository = users{}

type users struct{ *Store }

// FindByID implements ports.UserRepository.
func (u users) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return scanUser(u.reader.userByID.QueryRowContext(quick(ctx), tenant, id))
}

// FindByEmail implements ports.UserRepository.
func (u users) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return scanUser(u.reader.userByEmail.QueryRowContext(quick(ctx), tenant, email))
}

// FindByKey implements ports.UserRepository.
func (u users) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	return scanCreation(u.reader.userByKey.QueryRowContext(quick(ctx), scoped))
}

// Create implements ports.UserRepository.
func (u users) Create(ctx context.Context, n user.User, key idempotency.Key) error {
	metadata, err := encode(n.Metadata)
	if err != nil {
		return err
	}
	var refused error
	err = u.writer.submit(ctx, func(b *batch) error {
		refused = nil
		created, err := affected(b.insertUser.ExecContext(b, n.Tenant, n.ID, n.Email, n.Name, metadata,
			n.Version, micros(n.CreatedAt), micros(n.UpdatedAt), key.Scoped, key.Fingerprint))
		if err != nil {
			return err
		}
		if !created {
			refused = b.taken(n, key)
			return nil
		}
		return b.publish(u.news("created", n))
	})
	if err != nil {
		return err
	}
	return refused
}

// taken reports which unique value of a new user already exists.
func (b *batch) taken(n user.User, key idempotency.Key) error {
	if !key.Empty() {
		if _, err := scanCreation(b.userByKey.QueryRowContext(b, key.Scoped)); err == nil {
			return fault.New(fault.Conflict, "key_taken", "the idempotency key is taken")
		}
	}
	if _, err := scanUser(b.userByEmail.QueryRowContext(b, n.Tenant, n.Email)); err == nil {
		return errEmailTaken
	}
	return fault.New(fault.Conflict, "id_taken", "the id is taken")
}

var errEmailTaken = &fault.Error{Kind: fault.Conflict, Code: "email_taken", Param: "email", Message: "another user has this email"}

// Update implements ports.UserRepository. It reads within the write, so no other change can
// come in between.
func (u users) Update(ctx context.Context, tenant, id string, patch user.Patch, ifVersion int64) (user.User, error) {
	now := u.clock.Now()
	var changed user.User
	var refused error
	err := u.writer.submit(ctx, func(b *batch) error {
		refused = nil
		before, err := b.current(tenant, id, ifVersion)
		if err == nil {
			changed, err = before.Apply(patch, now)
		}
		if err != nil {
			refused = err
			return nil
		}
		return b.replace(before, changed, u.news("updated", changed), &refused)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return user.User{}, err
	}
	return changed, nil
}

func (b *batch) replace(before, after user.User, news []event.Event, refused *error) error {
	metadata, err := encode(after.Metadata)
	if err != nil {
		return err
	}
	original, err := json.Marshal(before)
	if err != nil {
		return err
	}
	done, err := affected(b.updateUser.ExecContext(b, after.Email, after.Name, metadata, after.Version,
		micros(after.UpdatedAt), original, after.Tenant, after.ID))
	if err != nil {
		return err
	}
	if !done {
		*refused = errEmailTaken
		return nil
	}
	return b.publish(news)
}

// current reads a user within the write, and checks its version.
func (b *batch) current(tenant, id string, ifVersion int64) (user.User, error) {
	u, err := scanUser(b.userByID.QueryRowContext(b, tenant, id))
	if err == nil && ifVersion != 0 && u.Version != ifVersion {
		return u, fault.New(fault.Conflict, "version_mismatch", fmt.Sprintf("the user is at version %d", u.Version))
	}
	return u, err
}

// Delete implements ports.UserRepository.
func (u users) Delete(ctx context.Context, tenant, id string, ifVersion int64) error {
	now := u.clock.Now()
	var refused error
	err := u.writer.submit(ctx, func(b *batch) error {
		refused = nil
		gone, err := b.current(tenant, id, ifVersion)
		if err != nil {
			refused = err
			return nil
		}
		if _, err := b.deleteUser.ExecContext(b, micros(now), tenant, id); err != nil {
			return err
		}
		gone.Version, gone.UpdatedAt = gone.Version+1, now
		return b.publish(u.news("deleted", gone))
	})
	if err != nil {
		return err
	}
	return refused
}

// List implements ports.UserRepository.
func (u users) List(ctx context.Context, tenant, after string, limit int) (user.Page, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return user.Page{}, err
	}
	rows, err := u.reader.listUsers.QueryContext(ctx, tenant, c.Created, c.ID, limit+1)
	if err != nil {
		return user.Page{}, classify("sqlitestore.users", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var all []user.User
	more := false
	for pager := ports.NewPager(limit); !more && rows.Next(); {
		one, err := scanUser(rows)
		if err != nil {
			return user.Page{}, err
		}
		if more = !pager.Take(one.Size()); !more {
			all = append(all, one)
		}
	}
	return ports.PageOfUsers(all, more), classify("sqlitestore.users", rows.Err())
}

// news returns the event for a change of a user. It holds no personal data: readers of the
// feed fetch the user.
func (u users) news(what string, n user.User) []event.Event {
	return []event.Event{{
		ID: u.ids.New("fev"), Tenant: n.Tenant, Type: "user." + what, Subject: n.ID, At: n.UpdatedAt,
		Data: fmt.Appendf(nil, `{"version":%d}`, n.Version),
	}}
}

func scanUser(row scanner, more ...any) (user.User, error) {
	var u user.User
	var raw []byte
	var created, updated int64
	err := row.Scan(append([]any{&u.ID, &u.Tenant, &u.Email, &u.Name, &raw, &u.Version, &created, &updated}, more...)...)
	if err != nil {
		return user.User{}, classify("sqlitestore.user", err)
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

func scanCreation(row scanner) (user.Creation, error) {
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
		return nil, fault.Wrap(fault.Invalid, "sqlitestore.user", err)
	}
	return raw, nil
}
