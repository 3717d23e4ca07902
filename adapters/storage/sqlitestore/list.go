package sqlitestore

import (
	"context"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
	"patchbay/ports"
)

// List implements ports.Records.
func (s *Store) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	where, args := "kind = ? AND tenant = ?", []any{kind, tenant}
	if f.Status != "" {
		where, args = where+" AND status = ?", append(args, f.Status)
	}
	if f.Customer != "" {
		where, args = where+" AND customer = ? AND customer <> ''", append(args, f.Customer)
	}
	query := "SELECT " + table.ListedColumns + " FROM record WHERE " + where
	all, more, err := page(ctx, s, query, args, after, limit, func(row table.Row) (ports.Record, int, error) {
		r, err := table.ScanRecord(row)
		return r, r.Size(), err
	})
	return ports.PageOfRecords(all, more, err)
}

// List implements table.UserTable.
func (t userTable) List(ctx context.Context, tenant, after string, limit int) (user.Page, error) {
	const query = "SELECT " + table.UserColumns + " FROM user WHERE tenant = ? AND deleted = 0"
	all, more, err := page(ctx, t.Store, query, []any{tenant}, after, limit, func(row table.Row) (user.User, int, error) {
		u, err := table.ScanUser(row)
		return u, u.Size(), err
	})
	return ports.PageOfUsers(all, more, err)
}

// page reads one page of the rows that query finds after the cursor, newest first. scan returns
// an entry and its size. more reports whether the list continues: one entry more than the limit
// is read to find that out.
func page[E any](ctx context.Context, s *Store, query string, args []any, after string, limit int, scan func(table.Row) (E, int, error)) (all []E, more bool, err error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return nil, false, err
	}
	rows, err := s.reads.QueryContext(ctx, query+" AND (created, id) < (?, ?) ORDER BY created DESC, id DESC LIMIT ?", append(args, c.Created, c.ID, limit+1)...)
	if err != nil {
		return nil, false, classify("sqlitestore.list", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	for pager := ports.NewPager(limit); !more && rows.Next(); {
		one, size, err := scan(rows)
		if err != nil {
			return nil, false, classify("sqlitestore.list", err)
		}
		if more = !pager.Take(size); !more {
			all = append(all, one)
		}
	}
	return all, more, classify("sqlitestore.list", rows.Err())
}
