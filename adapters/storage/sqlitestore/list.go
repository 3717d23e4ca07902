package sqlitestore

import (
	"context"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
	"patchbay/ports"
)

// listing is a query for the rows of a list, with its arguments. created and id are the columns by
// which it is ordered.
type listing struct {
	query       string
	args        []any
	created, id string
}

// where adds a condition.
func (l *listing) where(condition string, args ...any) {
	l.query, l.args = l.query+" AND "+condition, append(l.args, args...)
}

// continueAfter limits the listing to one page and one entry more.
func (l *listing) continueAfter(after ports.Cursor, limit int) {
	l.where("("+l.created+", "+l.id+") < (?, ?) ORDER BY "+l.created+" DESC, "+l.id+" DESC LIMIT ?", after.Created, after.ID, limit+1)
}

// hasTerm is the condition on a record and a term, of which one is known by the other.
const hasTerm = "of_kind = ? AND of_tenant = ? AND term = ?"

// recordsOf returns the listing of the records that a filter selects, of which those before from are
// left out. With terms it goes through those records that have the first one, in their order: CROSS JOIN keeps SQLite from
// going through all records of the tenant.
func recordsOf(tenant, kind string, f ports.Filter, from int64) listing {
	l := listing{"SELECT " + table.ListedColumns + " FROM record WHERE kind = ? AND tenant = ?", []any{kind, tenant}, "created", "id"}
	for i, term := range f.Terms {
		if i == 0 {
			l = listing{
				"SELECT " + table.ListedColumns + " FROM term AS first CROSS JOIN record ON kind = ? AND tenant = ? AND id = of_id WHERE " + hasTerm,
				[]any{kind, tenant, kind, tenant, term},
				"of_created", "of_id",
			}
			continue
		}
		l.where("EXISTS (SELECT 1 FROM term WHERE "+hasTerm+" AND of_created = first.of_created AND of_id = first.of_id)", kind, tenant, term)
	}
	if f.Status != "" {
		l.where("status = ?", f.Status)
	}
	if f.Customer != "" {
		l.where("customer = ? AND customer <> ''", f.Customer)
	}
	if !f.From.IsZero() {
		l.where(l.created+" >= ?", from)
	}
	return l
}

// List implements ports.Records.
func (s *Store) List(ctx context.Context, tenant, kind string, f ports.Filter, cursor string, limit int) (ports.RecordPage, error) {
	from, after, err := f.Range(cursor)
	if err != nil {
		return ports.RecordPage{}, err
	}
	l := recordsOf(tenant, kind, f, from)
	all, more, err := page(ctx, s, l, after, limit, func(row table.Row) (ports.Record, int, error) {
		r, err := table.ScanRecord(row)
		return r, r.Size(), err
	})
	return ports.PageOfRecords(all, more, err)
}

// List implements table.UserTable.
func (t userTable) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	after, err := ports.ParseCursor(cursor)
	if err != nil {
		return user.Page{}, err
	}
	l := listing{"SELECT " + table.UserColumns + " FROM user WHERE tenant = ? AND deleted = 0", []any{tenant}, "created", "id"}
	all, more, err := page(ctx, t.Store, l, after, limit, func(row table.Row) (user.User, int, error) {
		u, err := table.ScanUser(row)
		return u, u.Size(), err
	})
	return ports.PageOfUsers(all, more, err)
}

// page reads one page of the rows of a listing after a position, newest first. scan returns an entry
// and its size. more reports whether the list continues: one entry more than the limit is read to
// find that out.
func page[E any](ctx context.Context, s *Store, l listing, after ports.Cursor, limit int, scan func(table.Row) (E, int, error)) (all []E, more bool, err error) {
	l.continueAfter(after, limit)
	rows, err := s.reads.QueryContext(ctx, l.query, l.args...)
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
