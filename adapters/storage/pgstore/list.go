package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
	"patchbay/ports"
)

const newestFirst = ` ORDER BY created DESC, id DESC`

// paged returns the statement for one page of the rows that query finds after the cursor,
// newest first. The page has at most @limit rows and ends with the row with which it reaches
// @size; further rows are not sent. bytes is the size of a row. The last column tells whether
// another row follows.
func paged(columns, bytes, query string) string {
	return `SELECT ` + columns + `, more FROM (
		SELECT *, row_number() OVER place AS n, sum(bytes) OVER place - bytes AS before, lead(id) OVER place IS NOT NULL AS more FROM (
			SELECT *, ` + bytes + ` AS bytes ` + query + ` AND (created, id) < (@created, @id)` + newestFirst + ` LIMIT @limit::bigint + 1
		) AS found WINDOW place AS (` + newestFirst + ` ROWS UNBOUNDED PRECEDING)
	) AS page WHERE n <= @limit::bigint AND before < @size` + newestFirst
}

// page reads one page of a list. more reports whether the list continues.
func page[E any](ctx context.Context, s *Store, op, query, after string, limit int, args pgx.NamedArgs, scan func(row table.Row, more ...any) (E, error)) (all []E, more bool, err error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return nil, false, err
	}
	args["created"], args["id"], args["limit"], args["size"] = c.Created, c.ID, max(limit, 1), ports.PageBytes
	err = s.rows(ctx, op, query, []any{args}, func(row pgx.Rows) error {
		e, err := scan(row, &more)
		all = append(all, e)
		return err
	})
	return all, more, err
}

// List implements ports.Records.
func (s *Store) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	query := `FROM patchbay_record WHERE kind = @kind AND tenant = @tenant`
	if f.Status != "" {
		query += ` AND status = @status`
	}
	if f.Customer != "" {
		query += ` AND customer = @customer AND customer <> ''`
	}
	query = paged(table.ListedColumns, `octet_length(body)`, query)
	args := pgx.NamedArgs{"kind": kind, "tenant": tenant, "status": f.Status, "customer": f.Customer}
	return ports.PageOfRecords(page(ctx, s, "pgstore.list", query, after, limit, args, table.ScanRecord))
}

var listUsers = paged(table.UserColumns, `octet_length(coalesce(email, '') || name) + coalesce(octet_length(metadata), 0)`,
	`FROM patchbay_person WHERE tenant = @tenant AND NOT deleted`)

// List implements table.UserTable.
func (t userTable) List(ctx context.Context, tenant, after string, limit int) (user.Page, error) {
	return ports.PageOfUsers(page(ctx, t.Store, "pgstore.users", listUsers, after, limit, pgx.NamedArgs{"tenant": tenant}, table.ScanUser))
}
