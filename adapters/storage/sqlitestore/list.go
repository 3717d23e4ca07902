package sqlitestore

import (
	"context"

	"patchbay/ports"
)

// List implements ports.Journal.
func (j journal) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return ports.RecordPage{}, err
	}
	query, args := listQuery(tenant, kind, f, c, limit)
	rows, err := j.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return ports.RecordPage{}, classify("sqlitestore.list", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var all []ports.Record
	more := false
	for pager := ports.NewPager(limit); !more && rows.Next(); {
		r, err := scanRecord(rows)
		if err != nil {
			return ports.RecordPage{}, err
		}
		if more = !pager.Take(r.Size()); !more {
			all = append(all, r)
		}
	}
	return ports.PageOfRecords(all, more), classify("sqlitestore.list", rows.Err())
}

// listQuery requests one entry more than the limit, to find out whether more follow.
func listQuery(tenant, kind string, f ports.Filter, c ports.Cursor, limit int) (query string, args []any) {
	where := "kind = ? AND tenant = ? AND (created, id) < (?, ?)"
	args = []any{kind, tenant, c.Created, c.ID}
	if f.Status != "" {
		where += " AND status = ?"
		args = append(args, f.Status)
	}
	if f.Customer != "" {
		where += " AND customer = ? AND customer <> ''"
		args = append(args, f.Customer)
	}
	return "SELECT " + listedColumns + " FROM record WHERE " + where + " ORDER BY created DESC, id DESC LIMIT ?", append(args, limit+1)
}
