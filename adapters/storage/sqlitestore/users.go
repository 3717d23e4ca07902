package sqlitestore

import (
	"cmp"
	"context"
	"time"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
)

// userTable is the table of users.
type userTable struct{ *Store }

// FindByID implements table.UserTable.
func (t userTable) FindByID(ctx context.Context, tenant, id string) (user.User, error) {
	return scanUser(t.reader.userByID.QueryRowContext(quick(ctx), tenant, id))
}

// FindByEmail implements table.UserTable.
func (t userTable) FindByEmail(ctx context.Context, tenant, email string) (user.User, error) {
	return scanUser(t.reader.userByEmail.QueryRowContext(quick(ctx), tenant, email))
}

// FindByKey implements table.UserTable.
func (t userTable) FindByKey(ctx context.Context, scoped string) (user.Creation, error) {
	c, err := table.ScanCreation(t.reader.userByKey.QueryRowContext(quick(ctx), scoped))
	return c, classify("sqlitestore.user", err)
}

// HasID implements table.UserTable.
func (t userTable) HasID(ctx context.Context, tenant, id string) (taken bool, err error) {
	err = t.reads.QueryRowContext(quick(ctx), `SELECT EXISTS (SELECT 1 FROM user WHERE tenant = ? AND id = ?)`, tenant, id).Scan(&taken)
	return taken, classify("sqlitestore.user", err)
}

func scanUser(row table.Row) (user.User, error) {
	u, err := table.ScanUser(row)
	return u, classify("sqlitestore.user", err)
}

// Insert implements table.UserTable.
func (t userTable) Insert(ctx context.Context, n table.NewUser) (bool, error) {
	values, err := n.Values()
	if err != nil {
		return false, err
	}
	return write(ctx, t.writer, func(b *batch) (bool, error) {
		inserted, err := affected(b.insertUser.ExecContext(b, values...))
		if err != nil || inserted == 0 {
			return false, err
		}
		return true, b.publish(n.Events)
	})
}

// Change implements table.UserTable. It reads within the write, so no other change can come in
// between.
func (t userTable) Change(ctx context.Context, tenant, id string, change func(before user.User) (table.Changed, error)) error {
	refused, err := write(ctx, t.writer, func(b *batch) (refused, err error) { return b.change(tenant, id, change) })
	return cmp.Or(err, refused)
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
	changed, err := affected(b.changeUser.ExecContext(b, values...))
	if err != nil {
		return nil, err
	}
	if changed == 0 {
		return table.ErrRecordConflict, nil // the email is taken
	}
	return nil, b.publish(after.Events)
}

// Purge implements table.UserTable.
func (t userTable) Purge(ctx context.Context, before time.Time, n int) (int, error) {
	return write(ctx, t.writer, func(b *batch) (int, error) {
		deleted, err := affected(b.purgeDeleted.ExecContext(b, table.Micros(before), n))
		if err != nil {
			return 0, err
		}
		keys, err := affected(b.purgeKeys.ExecContext(b, table.Micros(before), n-deleted))
		return deleted + keys, err
	})
}
