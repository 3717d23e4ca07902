package sqlitestore

import (
	"context"
	"math"
	"strconv"
	"strings"

	"patchbay/core/fault"
	"patchbay/ports"
)

// cursor is the place after an entry in a list: newest first, by created and id.
type cursor struct {
	created int64
	id      string
}

// start is before the newest entry.
var start = cursor{created: math.MaxInt64}

func (c cursor) String() string { return strconv.FormatInt(c.created, 36) + "." + c.id }

func parseCursor(s string) (cursor, error) {
	if s == "" {
		return start, nil
	}
	at, id, ok := strings.Cut(s, ".")
	created, err := strconv.ParseInt(at, 36, 64)
	if !ok || err != nil || id == "" {
		return cursor{}, fault.InvalidParam("cursor", "invalid_cursor", "cursor must be a nextCursor of this list")
	}
	return cursor{created, id}, nil
}

// List implements ports.Journal.
func (j journal) List(ctx context.Context, tenant, kind string, f ports.Filter, after string, limit int) (ports.RecordPage, error) {
	c, err := parseCursor(after)
	if err != nil {
		return ports.RecordPage{}, err
	}
	query, args := listQuery(tenant, kind, f, c, limit)
	rows, err := j.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return ports.RecordPage{}, classify("sqlitestore.list", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or failed
	var page ports.RecordPage
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return ports.RecordPage{}, err
		}
		if len(page.Records) == limit {
			last := page.Records[limit-1]
			page.Next = cursor{micros(last.Index.Created), last.ID}.String()
			break
		}
		page.Records = append(page.Records, r)
	}
	return page, classify("sqlitestore.list", rows.Err())
}

// listQuery asks for one entry more than the limit, to know whether more follow.
func listQuery(tenant, kind string, f ports.Filter, c cursor, limit int) (query string, args []any) {
	where := "kind = ? AND tenant = ? AND (created, id) < (?, ?)"
	args = []any{kind, tenant, c.created, c.id}
	if f.Status != "" {
		where += " AND status = ?"
		args = append(args, f.Status)
	}
	if f.Customer != "" {
		where += " AND customer = ? AND customer <> ''"
		args = append(args, f.Customer)
	}
	return "SELECT " + recordColumns + " FROM record WHERE " + where + " ORDER BY created DESC, id DESC LIMIT ?", append(args, limit+1)
}
