package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"patchbay/core/user"
	"patchbay/ports"
)

const newestFirst = ` ORDER BY created DESC, id DESC`

// paged returns the statement for one page of the rows that query finds, newest first. The
// page has at most limit rows and ends with the row with which it reaches PageBytes;
// further rows are not sent. bytes is the size of a row. The limit and PageBytes are the
// parameters n and n + 1. The last column tells whether another row follows.
func paged(columns, bytes, query string, n int) string {
	limit, size := `$`+itoa(n), `$`+itoa(n+1)
	return `SELECT ` + columns + `, more FROM (
		SELECT *, row_number() OVER place AS n, sum(bytes) OVER place - bytes AS before, lead(id) OVER place IS NOT NULL AS more FROM (
			SELECT *, ` + bytes + ` AS bytes ` + query + newestFirst + ` LIMIT ` + limit + `::bigint + 1
		) AS found WINDOW place AS (` + newestFirst + ` ROWS UNBOUNDED PRECEDING)
	) AS page WHERE n <= ` + limit + `::bigint AND before < ` + size + newestFirst
}

// List implements ports.Journal.
func (j journal) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return ports.RecordPage{}, err
	}
	query := `FROM patchbay_record WHERE kind = $1 AND tenant = $2 AND (created, id) < ($3, $4)`
	args := []any{kind, tenant, c.Created, c.ID}
	if f.Status != "" {
		args = append(args, f.Status)
		query += ` AND status = $` + itoa(len(args))
	}
	if f.Customer != "" {
		args = append(args, f.Customer)
		query += ` AND customer = $` + itoa(len(args)) + ` AND customer <> ''`
	}
	query = paged(listedColumns, `octet_length(body)`, query, len(args)+1)
	var all []ports.Record
	more := false
	err = j.rows(ctx, "pgstore.list", query, append(args, max(limit, 1), ports.PageBytes), func(row pgx.Rows) error {
		r, err := scanRecord(row, &more)
		all = append(all, r)
		return err
	})
	if err != nil {
		return ports.RecordPage{}, err
	}
	return ports.PageOfRecords(all, more), nil
}

var listUsers = paged(userColumns, `octet_length(coalesce(email, '') || name) + coalesce(octet_length(metadata), 0)`,
	`FROM patchbay_person WHERE tenant = $1 AND NOT deleted AND (created, id) < ($2, $3)`, 4)

// List implements ports.UserRepository.
func (u users) List(ctx context.Context, tenant, after string, limit int) (user.Page, error) {
	c, err := ports.ParseCursor(after)
	if err != nil {
		return user.Page{}, err
	}
	var all []user.User
	more := false
	err = u.rows(ctx, "pgstore.users", listUsers, []any{tenant, c.Created, c.ID, max(limit, 1), ports.PageBytes}, func(row pgx.Rows) error {
		one, err := scanUser(row, &more)
		all = append(all, one)
		return err
	})
	if err != nil {
		return user.Page{}, err
	}
	return ports.PageOfUsers(all, more), nil
}
