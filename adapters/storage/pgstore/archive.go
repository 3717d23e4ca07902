package pgstore

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"patchbay/core/event"
	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Archive returns access to all entries of the store, for copies.
func (s *Store) Archive() ports.Archive { return archive{s} }

var _ ports.Archive = archive{}

type archive struct{ *Store }

// archiveTimeout is the timeout of one call. It is long because a call moves much data, and
// no client waits for it.
const archiveTimeout = 30 * time.Second

// table defines how a section is stored. scan takes the parts of a key and a limit; the
// other statements take arrays, one for each column.
type table struct {
	parts                  func(key string) []any
	scan, get, put, remove string
	keys                   func(keys []string) []any
	read                   func(row pgx.Row) (ports.Entry, error)
	columns                func(entries []ports.Entry) ([]any, error)
}

const (
	// recordPage returns records up to the one that makes the page larger than $5 bytes.
	recordPage = `SELECT ` + recordColumns + ` FROM (
			SELECT *, sum(bytes) OVER (ORDER BY kind, tenant, id ROWS UNBOUNDED PRECEDING) - bytes AS before FROM (
				SELECT *, octet_length(body) + coalesce(octet_length(content), 0) AS bytes FROM patchbay_record WHERE (kind, tenant, id) > ($1, $2, $3) ORDER BY kind, tenant, id LIMIT $4
			) AS page
		) AS sized WHERE before < $5 ORDER BY kind, tenant, id`
	// recordsNamed and usersNamed find the rows of those keys that exist. Each looks up the
	// next row in the order of the primary key: newly inserted rows are not analyzed yet,
	// and the planner would use another index and read all records of a kind.
	recordsNamed = `FROM unnest($1::text[], $2::text[], $3::text[]) AS k (kind, tenant, id)
		CROSS JOIN LATERAL (SELECT ctid AS at, kind, tenant, id FROM patchbay_record WHERE (kind, tenant, id) >= (k.kind, k.tenant, k.id)
			ORDER BY kind, tenant, id LIMIT 1) AS r WHERE (r.kind, r.tenant, r.id) = (k.kind, k.tenant, k.id)`
	usersNamed = `FROM unnest($1::text[], $2::text[]) AS k (tenant, id)
		CROSS JOIN LATERAL (SELECT ctid AS at, tenant, id FROM patchbay_person WHERE (tenant, id) >= (k.tenant, k.id)
			ORDER BY tenant, id LIMIT 1) AS p WHERE (p.tenant, p.id) = (k.tenant, k.id)`

	storedUser = `SELECT ` + userColumns + `, coalesce(idem, ''), fingerprint, original, deleted FROM patchbay_person`
)

var tables = map[ports.Section]table{
	ports.RecordSection: {
		parts: func(key string) []any {
			kind, tenant, id := ports.ParseRecordKey(key)
			return []any{kind, tenant, id}
		},
		scan: recordPage,
		get:  `SELECT ` + recordColumns + ` FROM patchbay_record WHERE ctid = ANY (ARRAY(SELECT r.at ` + recordsNamed + `))`,
		put: `WITH s AS (INSERT INTO patchbay_record (tenant, kind, id, parent, rev, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content)
			SELECT tenant, kind, id, nullif(parent, ''), rev, nullif(idem, ''), nullif(ref, ''), status, customer, created, nullif(queue, ''), due, owner, nullif(flag, ''), flagged,
			body, content
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
			$11::text[], $12::bigint[], $13::text[], $14::text[], $15::bigint[], $16::bytea[], $17::bytea[])
			AS u (tenant, kind, id, parent, rev, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content) RETURNING 1) SELECT count(*) FROM s`,
		remove:  `WITH s AS (DELETE FROM patchbay_record WHERE ctid = ANY (ARRAY(SELECT r.at ` + recordsNamed + `)) RETURNING 1) SELECT count(*) FROM s`,
		keys:    recordKeys,
		read:    readRecord,
		columns: recordArrays,
	},
	ports.UserSection: {
		parts: func(key string) []any {
			tenant, id := ports.ParseUserKey(key)
			return []any{tenant, id}
		},
		scan: storedUser + ` WHERE (tenant, id) > ($1, $2) ORDER BY tenant, id LIMIT $3`,
		get:  storedUser + ` WHERE ctid = ANY (ARRAY(SELECT p.at ` + usersNamed + `))`,
		put: `WITH s AS (INSERT INTO patchbay_person (id, tenant, email, name, metadata, version, created, updated, idem, fingerprint, original, deleted)
			SELECT id, tenant, nullif(email, ''), name, metadata, version, created, updated, nullif(idem, ''), fingerprint, original, deleted
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[],
			$11::bytea[], $12::boolean[])
			AS u (id, tenant, email, name, metadata, version, created, updated, idem, fingerprint, original, deleted) RETURNING 1) SELECT count(*) FROM s`,
		remove:  `WITH s AS (DELETE FROM patchbay_person WHERE ctid = ANY (ARRAY(SELECT p.at ` + usersNamed + `)) RETURNING 1) SELECT count(*) FROM s`,
		keys:    userKeys,
		read:    readStoredUser,
		columns: userArrays,
	},
	ports.FeedSection: {
		parts: func(key string) []any { return []any{ports.ParseFeedKey(key)} },
		scan:  feedEntries + ` seq > $1 ORDER BY seq LIMIT $2`,
		get:   feedEntries + ` seq = ANY ($1::bigint[])`,
		put: `WITH s AS (INSERT INTO patchbay_feed (seq, tenant, id, type, subject, at, data)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bytea[]) RETURNING 1)
			SELECT count(*) FROM s`,
		remove:  `WITH s AS (DELETE FROM patchbay_feed WHERE seq = ANY ($1::bigint[]) RETURNING 1) SELECT count(*) FROM s`,
		keys:    feedKeys,
		read:    readEvent,
		columns: eventArrays,
	},
}

// Scan implements ports.Archive.
func (a archive) Scan(ctx context.Context, section ports.Section, after string, limit int) ([]ports.Entry, string, error) {
	t := tables[section]
	args := append(t.parts(after), limit)
	if section == ports.RecordSection {
		args = append(args, ports.ArchivePage)
	}
	var page []ports.Entry
	err := a.read(ctx, "pgstore.scan", t.scan, args, func(row pgx.Rows) error {
		e, err := t.read(row)
		page = append(page, e)
		return err
	})
	if err != nil || len(page) == 0 {
		return nil, "", err
	}
	return page, page[len(page)-1].Key(), nil
}

// Digests implements ports.Archive. It holds one entry at a time in memory.
func (a archive) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	t := tables[section]
	found := make(map[string]ports.Digest, len(keys))
	err := a.read(ctx, "pgstore.digests", t.get, t.keys(keys), func(row pgx.Rows) error {
		e, err := t.read(row)
		if err == nil {
			found[e.Key()] = e.Digest()
		}
		return err
	})
	return found, err
}

// Put implements ports.Archive. It stores all entries with one statement.
func (a archive) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	t := tables[section]
	args, err := t.columns(entries)
	if err != nil {
		return err
	}
	return a.change(ctx, "pgstore.put", t.put, args)
}

// Remove implements ports.Archive.
func (a archive) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	t := tables[section]
	return a.change(ctx, "pgstore.remove", t.remove, t.keys(keys))
}

// read reads a page of rows.
func (a archive) read(ctx context.Context, op, query string, args []any, scan func(pgx.Rows) error) error {
	return a.patiently(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		return readFault(op, each(ctx, c, query, args, scan))
	})
}

// change executes a statement that changes many rows and returns their number.
func (a archive) change(ctx context.Context, op, query string, args []any) error {
	return a.patiently(ctx, op, func(ctx context.Context, c *pgxpool.Conn) error {
		var n int64
		return writeFault(op, c.QueryRow(ctx, query, args...).Scan(&n))
	})
}

// patiently runs one call with a connection of the pool.
func (a archive) patiently(ctx context.Context, op string, call func(ctx context.Context, c *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	c, err := a.pool.Acquire(ctx)
	if err != nil {
		return fault.Wrap(fault.Unavailable, op, err)
	}
	defer c.Release()
	return a.judged(call(ctx, c))
}

func recordKeys(keys []string) []any {
	kinds, tenants, ids := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		kinds[i], tenants[i], ids[i] = ports.ParseRecordKey(key)
	}
	return []any{kinds, tenants, ids}
}

func userKeys(keys []string) []any {
	tenants, ids := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		tenants[i], ids[i] = ports.ParseUserKey(key)
	}
	return []any{tenants, ids}
}

func feedKeys(keys []string) []any {
	seqs := make([]int64, len(keys))
	for i, key := range keys {
		seqs[i] = ports.ParseFeedKey(key)
	}
	return []any{seqs}
}

func readRecord(row pgx.Row) (ports.Entry, error) {
	r, err := scanRecord(row)
	return ports.Entry{Record: &r}, err
}

func readStoredUser(row pgx.Row) (ports.Entry, error) {
	var u ports.StoredUser
	var original []byte
	var err error
	if u.User, err = scanUser(row, &u.Key.Scoped, &u.Key.Fingerprint, &original, &u.Deleted); err != nil {
		return ports.Entry{}, err
	}
	if original != nil {
		first, err := record.DecodeUser(original, u.User.ID)
		if err != nil {
			return ports.Entry{}, err
		}
		u.Original = &first
	}
	return ports.Entry{User: &u}, nil
}

func readEvent(row pgx.Row) (ports.Entry, error) {
	v, err := scanEvent(row)
	return ports.Entry{Event: &v}, err
}

func recordArrays(entries []ports.Entry) ([]any, error) {
	records := make([]*ports.Record, len(entries))
	tenants, parents, idems, refs := make([]string, len(entries)), make([]string, len(entries)), make([]string, len(entries)), make([]string, len(entries))
	revs, contents := make([]int64, len(entries)), make([][]byte, len(entries))
	flags, flagged := make([]string, len(entries)), make([]int64, len(entries))
	for i, e := range entries {
		r := e.Record
		contents[i], flags[i], flagged[i] = optional(r.Content), r.Index.Flag, micros(r.Index.Flagged)
		records[i], tenants[i], parents[i], revs[i], idems[i], refs[i] = r, r.Tenant, r.Parent, r.Rev, r.Idem, r.Ref
	}
	c := rows(records) // kinds, ids, statuses, customers, created, queues, due, owners, bodies
	return []any{tenants, c[0], c[1], parents, revs, idems, refs, c[2], c[3], c[4], c[5], c[6], c[7], flags, flagged, c[8], contents}, nil
}

func userArrays(entries []ports.Entry) ([]any, error) {
	var ids, tenants, emails, names, idems, fingerprints []string
	var metadata, originals [][]byte
	var versions, created, updated []int64
	var deleted []bool
	for _, e := range entries {
		u := e.User.User
		data, err := encode(u.Metadata)
		if err != nil {
			return nil, err
		}
		var original []byte
		if e.User.Original != nil {
			if original, err = json.Marshal(e.User.Original); err != nil {
				return nil, fault.Wrap(fault.Invalid, "pgstore.user", err)
			}
		}
		ids, tenants, emails, names = append(ids, u.ID), append(tenants, u.Tenant), append(emails, u.Email), append(names, u.Name)
		metadata, originals = append(metadata, data), append(originals, original)
		versions, created, updated = append(versions, u.Version), append(created, micros(u.CreatedAt)), append(updated, micros(u.UpdatedAt))
		idems, fingerprints = append(idems, e.User.Key.Scoped), append(fingerprints, e.User.Key.Fingerprint)
		deleted = append(deleted, e.User.Deleted)
	}
	return []any{ids, tenants, emails, names, metadata, versions, created, updated, idems, fingerprints, originals, deleted}, nil
}

func eventArrays(entries []ports.Entry) ([]any, error) {
	events := make([]event.Event, len(entries))
	seqs := make([]int64, len(entries))
	for i, e := range entries {
		events[i], seqs[i] = *e.Event, e.Event.Seq
	}
	return append([]any{seqs}, columns(events)...), nil
}
