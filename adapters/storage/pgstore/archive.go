package pgstore

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/adapters/storage/table"
	"patchbay/ports"
)

// archived defines how a section is stored. scan takes the parts of a key and a limit; get and
// remove take arrays of the parts.
type archived struct {
	table, names      string
	scan, get, remove string
}

const (
	// recordPage returns records up to the one that makes the page larger than $5 bytes.
	recordPage = `SELECT ` + table.ArchivedColumns + ` FROM (
			SELECT *, sum(bytes) OVER (ORDER BY kind, tenant, id ROWS UNBOUNDED PRECEDING) - bytes AS before FROM (
				SELECT *, octet_length(body) + coalesce(octet_length(content), 0) AS bytes FROM patchbay_record WHERE (kind, tenant, id) > ($1, $2, $3) ORDER BY kind, tenant, id LIMIT $4
			) AS page
		) AS sized WHERE before < $5 ORDER BY kind, tenant, id`
	// recordsNamed and usersNamed find the rows of those keys that exist. Each looks up the
	// next row in the order of the primary key: newly inserted rows are not analyzed yet,
	// and the planner would use another index and read all records of a kind.
	recordsNamed = ` FROM patchbay_record WHERE ctid = ANY (ARRAY(SELECT r.at FROM unnest($1::text[], $2::text[], $3::text[]) AS k (kind, tenant, id)
		CROSS JOIN LATERAL (SELECT ctid AS at, kind, tenant, id FROM patchbay_record WHERE (kind, tenant, id) >= (k.kind, k.tenant, k.id)
			ORDER BY kind, tenant, id LIMIT 1) AS r WHERE (r.kind, r.tenant, r.id) = (k.kind, k.tenant, k.id)))`
	usersNamed = ` FROM patchbay_person WHERE ctid = ANY (ARRAY(SELECT p.at FROM unnest($1::text[], $2::text[]) AS k (tenant, id)
		CROSS JOIN LATERAL (SELECT ctid AS at, tenant, id FROM patchbay_person WHERE (tenant, id) >= (k.tenant, k.id)
			ORDER BY tenant, id LIMIT 1) AS p WHERE (p.tenant, p.id) = (k.tenant, k.id)))`
	eventsNamed = ` FROM patchbay_feed WHERE seq = ANY ($1::bigint[])`
)

var sections = map[ports.Section]archived{
	ports.RecordSection: {"patchbay_record", table.RecordNames, recordPage, `SELECT ` + table.ArchivedColumns + recordsNamed, `DELETE` + recordsNamed},
	ports.UserSection: {
		"patchbay_person", table.UserNames,
		`SELECT ` + table.StoredColumns + ` FROM patchbay_person WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3`,
		`SELECT ` + table.StoredColumns + usersNamed, `DELETE` + usersNamed,
	},
	ports.FeedSection: {
		"patchbay_feed", table.EventColumns,
		feedEntries + `seq > $1 ORDER BY seq LIMIT $2`, `SELECT ` + table.EventColumns + eventsNamed, `DELETE` + eventsNamed,
	},
}

// Scan implements ports.Archive.
func (s *Store) Scan(ctx context.Context, section ports.Section, after string, limit int) (page []ports.Entry, next string, err error) {
	args := append(table.KeyParts(section, after), limit)
	if section == ports.RecordSection {
		args = append(args, ports.ArchivePage)
	}
	err = s.entries(ctx, "pgstore.scan", section, sections[section].scan, args, func(e ports.Entry) { page = append(page, e) })
	if err != nil || len(page) == 0 {
		return nil, "", err
	}
	return page, page[len(page)-1].Key(), nil
}

// Digests implements ports.Archive. It holds one entry at a time in memory.
func (s *Store) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	found := make(map[string]ports.Digest, len(keys))
	err := s.entries(ctx, "pgstore.digests", section, sections[section].get, keyArrays(section, keys), func(e ports.Entry) { found[e.Key()] = e.Digest() })
	return found, err
}

// Put implements ports.Archive. It stores all entries with one statement.
func (s *Store) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	const op = "pgstore.put"
	to := sections[section]
	return s.archive.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.CopyFrom(ctx, pgx.Identifier{to.table}, strings.Split(to.names, ", "),
			pgx.CopyFromSlice(len(entries), func(i int) ([]any, error) { return table.EntryValues(entries[i]) }))
		return writeFault(op, err)
	})
}

// Remove implements ports.Archive.
func (s *Store) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	const op = "pgstore.remove"
	return s.archive.with(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, sections[section].remove, keyArrays(section, keys)...)
		return writeFault(op, err)
	})
}

func keyArrays(section ports.Section, keys []string) []any {
	return arrays(keys, func(key string) []any { return table.KeyParts(section, key) })
}

// entries passes the entries that a query finds to found.
func (s *Store) entries(ctx context.Context, op string, section ports.Section, query string, args []any, found func(ports.Entry)) error {
	return s.archive.rows(ctx, op, query, args, func(row pgx.Rows) error {
		e, err := table.ScanEntry(section, row)
		if err == nil {
			found(e)
		}
		return err
	})
}
