package sqlitestore

import (
	"context"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
)

// people is the table of users.
type people struct{ *Store }

// FindByID implements table.UserTable.
func (p people) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return scanUser(p.reader.userByID.QueryRowContext(quick(ctx), tenant, id))
}

// FindByEmail implements table.UserTable.
func (p people) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return scanUser(p.reader.userByEmail.QueryRowContext(quick(ctx), tenant, email))
}

// FindByKey implements table.UserTable.
func (p people) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	c, err := table.ScanCreation(p.reader.userByKey.QueryRowContext(quick(ctx), scoped))
	return c, classify("sqlitestore.user", err)
}

// HasID implements table.UserTable.
func (p people) HasID(ctx context.Context, tenant, id string) (there bool, err error) {
	err = p.reads.QueryRowContext(quick(ctx), `SELECT EXISTS (SELECT 1 FROM user WHERE tenant = ? AND id = ?)`, tenant, id).Scan(&there)
	return there, classify("sqlitestore.user", err)
}

func scanUser(row table.Row) (user.User, error) {
	u, err := table.ScanUser(row)
	return u, classify("sqlitestore.user", err)
}

// Insert implements table.UserTable.
func (p people) Insert(ctx context.Context, n table.NewUser) (bool, error) {
	values, err := n.Values()
	if err != nil {
		return false, err
	}
	made := false
	err = p.writer.submit(ctx, func(b *batch) (err error) {
		if made, err = affected(b.insertUser.ExecContext(b, values...)); err != nil || !made {
			return err
		}
		return b.publish(n.News)
	})
	if err != nil {
		return false, err // the writer may still be running: made belongs to it
	}
	return made, nil
}

// Change implements table.UserTable. It reads within the write, so no other change can come in
// between.
func (p people) Change(ctx context.Context, tenant, id string, change func(before user.User) (table.Changed, error)) error {
	var refused error
	err := p.writer.submit(ctx, func(b *batch) (err error) {
		refused, err = b.change(tenant, id, change)
		return err
	})
	if err != nil {
		return err
	}
	return refused
}

// change changes a user within the write. refused is the reason if that is not allowed.
func (b *batch) change(tenant, id string, change func(before user.User) (table.Changed, error)) (refused, err error) {
	before, err := scanUser(b.userByID.QueryRowContext(b, tenant, id))
	if err != nil {
		return err, nil
	}
	after, err := change(before)
	if err != nil {
		return err, nil
	}
	values, err := after.Values(before)
	if err != nil {
		return err, nil
	}
	done, err := affected(b.changeUser.ExecContext(b, values...))
	if err != nil {
		return nil, err
	}
	if !done {
		return table.ErrRecordConflict, nil // the email is taken
	}
	return nil, b.publish(after.News)
}

// Purge implements table.UserTable.
func (p people) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	var purged int64
	err := p.writer.submit(ctx, func(b *batch) error {
		gone, err := b.purgeDeleted.ExecContext(b, table.Micros(before), n)
		if err != nil {
			return err
		}
		if purged, err = gone.RowsAffected(); err != nil {
			return err
		}
		given, err := b.purgeKeys.ExecContext(b, table.Micros(before), int64(n)-purged)
		if err != nil {
			return err
		}
		keys, err := given.RowsAffected()
		purged += keys
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(purged), nil
}
