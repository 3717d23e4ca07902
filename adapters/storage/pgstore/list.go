package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"patchbay/adapters/storage/table"
	"patchbay/core/user"
	"patchbay/ports"
)

const newestFirst = ` ORDER BY created DESC, id DESC`

// listing is a query for the rows of a list, without what they show. created and id are the columns
// by which it is ordered.
type listing struct {
	query       string
	args        pgx.NamedArgs
	created, id string
}

// where adds a condition with an argument of a name.
func (l *listing) where(condition, name string, arg any) {
	l.query, l.args[name] = l.query+` AND `+condition, arg
}

// paged returns the statement for one page of the rows of the listing after the cursor, newest first.
// The page has at most @limit rows and ends with the row with which it reaches @size; further rows are
// not sent. bytes is the size of a row. The last column tells whether another row follows.
func (l listing) paged(columns, bytes string) string {
	return `SELECT ` + columns + `, more FROM (
		SELECT *, row_number() OVER place AS n, sum(bytes) OVER place - bytes AS before, lead(id) OVER place IS NOT NULL AS more FROM (
			SELECT *, ` + bytes + ` AS bytes ` + l.query + ` AND (` + l.created + `, ` + l.id + `) < (@created, @id)
				ORDER BY ` + l.created + ` DESC, ` + l.id + ` DESC LIMIT @limit::bigint + 1
		) AS found WINDOW place AS (` + newestFirst + ` ROWS UNBOUNDED PRECEDING)
	) AS page WHERE n <= @limit::bigint AND before < @size` + newestFirst
}

// page reads one page of a list after a position. more reports whether the list continues.
func page[E any](ctx context.Context, s *Store, op, query string, after ports.Cursor, limit int, args pgx.NamedArgs, scan func(row table.Row, more ...any) (E, error)) (all []E, more bool, err error) {
	args["created"], args["id"], args["limit"], args["size"] = after.Created, after.ID, max(limit, 1), ports.PageBytes
	err = s.rows(ctx, op, query, []any{args}, func(row pgx.Rows) error {
		e, err := scan(row, &more)
		all = append(all, e)
		return err
	})
	return all, more, err
}

// recordsOf returns the listing of the records that a filter selects, of which those before from are
// left out.
//
// With terms it goes through those records that have the first one, in their order, and looks up each
// record and its other terms. PostgreSQL must not choose another way: until it has analyzed new rows
// it would read all records of the tenant for each. So the record is the next one in the order of the
// primary key, and OFFSET keeps the other terms from being joined.
func recordsOf(tenant, kind string, f ports.Filter, from int64) listing {
	l := listing{`FROM patchbay_record WHERE kind = @kind AND tenant = @tenant`, pgx.NamedArgs{"kind": kind, "tenant": tenant}, "created", "id"}
	for i, term := range f.Terms {
		name := fmt.Sprint("term", i)
		if i == 0 {
			l.query = `FROM patchbay_term AS first CROSS JOIN LATERAL (SELECT * FROM patchbay_record
				WHERE (kind, tenant, id) >= (of_kind, of_tenant, of_id) ORDER BY kind, tenant, id LIMIT 1) AS r
				WHERE of_kind = @kind AND of_tenant = @tenant AND term = @term0 AND (kind, tenant, id) = (of_kind, of_tenant, of_id)`
			l.args[name], l.created, l.id = term, "of_created", "of_id"
			continue
		}
		l.where(`EXISTS (SELECT FROM patchbay_term AS other WHERE other.of_kind = @kind AND other.of_tenant = @tenant AND other.term = @`+name+`
			AND other.of_created = first.of_created AND other.of_id = first.of_id OFFSET 0)`, name, term)
	}
	if f.Status != "" {
		l.where(`status = @status`, "status", f.Status)
	}
	if f.Customer != "" {
		l.where(`customer = @customer AND customer <> ''`, "customer", f.Customer)
	}
	if !f.From.IsZero() {
		l.where(l.created+` >= @from`, "from", from)
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
	return ports.PageOfRecords(page(ctx, s, "pgstore.list", l.paged(table.ListedColumns, `octet_length(body)`), after, limit, l.args, table.ScanRecord))
}

var listUsers = listing{query: `FROM patchbay_person WHERE tenant = @tenant AND NOT deleted`, created: "created", id: "id"}.
	paged(table.UserColumns, `octet_length(coalesce(email, '') || name) + coalesce(octet_length(metadata), 0)`)

// List implements table.UserTable.
func (t userTable) List(ctx context.Context, tenant, cursor string, limit int) (user.Page, error) {
	after, err := ports.ParseCursor(cursor)
	if err != nil {
		return user.Page{}, err
	}
	return ports.PageOfUsers(page(ctx, t.Store, "pgstore.users", listUsers, after, limit, pgx.NamedArgs{"tenant": tenant}, table.ScanUser))
}
