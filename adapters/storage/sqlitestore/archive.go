package sqlitestore

import (
	"context"
	"encoding/json"

	"patchbay/core/fault"
	"patchbay/core/record"
	"patchbay/ports"
)

// Archive returns access to all entries of the store, for copies.
func (s *Store) Archive() ports.Archive { return archive{s} }

var _ ports.Archive = archive{}

type archive struct{ *Store }

// table defines how a section is stored. The statements take the parts of a key in the
// order of the primary key; scan also takes a limit.
type table struct {
	parts             func(key string) []any
	scan, get, remove string
	read              func(row scanner) (ports.Entry, error)
	put               string
	values            func(e ports.Entry) ([]any, error)
}

var tables = map[ports.Section]table{
	ports.RecordSection: {
		parts: func(key string) []any {
			kind, tenant, id := ports.ParseRecordKey(key)
			return []any{kind, tenant, id}
		},
		scan:   `SELECT ` + recordColumns + ` FROM record WHERE (kind, tenant, id) > (?, ?, ?) ORDER BY kind, tenant, id LIMIT ?`,
		get:    `SELECT ` + recordColumns + ` FROM record WHERE kind = ? AND tenant = ? AND id = ?`,
		remove: `DELETE FROM record WHERE kind = ? AND tenant = ? AND id = ?`,
		read:   readRecord,
		put: `INSERT INTO record (tenant, kind, id, parent, rev, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content)
			VALUES (?, ?, ?, nullif(?,''), ?, nullif(?,''), nullif(?,''), ?, ?, ?, nullif(?,''), ?, ?, nullif(?,''), ?, ?, ?)`,
		values: recordValues,
	},
	ports.UserSection: {
		parts: func(key string) []any {
			tenant, id := ports.ParseUserKey(key)
			return []any{tenant, id}
		},
		scan:   storedUser + ` WHERE (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?`,
		get:    storedUser + ` WHERE tenant = ? AND id = ?`,
		remove: `DELETE FROM user WHERE tenant = ? AND id = ?`,
		read:   readStoredUser,
		put: `INSERT INTO user (id, tenant, email, name, metadata, version, created, updated, idem, fingerprint, original, deleted)
			VALUES (?, ?, nullif(?,''), ?, ?, ?, ?, ?, nullif(?,''), ?, ?, ?)`,
		values: userValues,
	},
	ports.FeedSection: {
		parts:  func(key string) []any { return []any{ports.ParseFeedKey(key)} },
		scan:   feedEntry + ` WHERE seq > ? ORDER BY seq LIMIT ?`,
		get:    feedEntry + ` WHERE seq = ?`,
		remove: `DELETE FROM feed WHERE seq = ?`,
		read:   readEvent,
		put:    `INSERT INTO feed (seq, tenant, id, type, subject, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		values: eventValues,
	},
}

const (
	storedUser = `SELECT ` + userColumns + `, coalesce(idem, ''), fingerprint, original, deleted FROM user`
	feedEntry  = `SELECT seq, tenant, id, type, subject, at, data FROM feed`
)

// Scan implements ports.Archive.
func (a archive) Scan(ctx context.Context, section ports.Section, after string, limit int) ([]ports.Entry, string, error) {
	t := tables[section]
	rows, err := a.reads.QueryContext(ctx, t.scan, append(t.parts(after), limit)...)
	if err != nil {
		return nil, "", classify("sqlitestore.scan", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or far enough
	var page []ports.Entry
	var next string
	for size := 0; size < ports.ArchivePage && rows.Next(); {
		e, err := t.read(rows)
		if err != nil {
			return nil, "", err
		}
		if e.Record != nil {
			size += e.Record.Size()
		}
		page, next = append(page, e), e.Key()
	}
	return page, next, classify("sqlitestore.scan", rows.Err())
}

// Digests implements ports.Archive.
func (a archive) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	t := tables[section]
	get, err := a.reads.PrepareContext(ctx, t.get)
	if err != nil {
		return nil, classify("sqlitestore.digests", err)
	}
	defer get.Close() //nolint:errcheck // only read
	found := make(map[string]ports.Digest, len(keys))
	for _, key := range keys {
		e, err := t.read(get.QueryRowContext(quick(ctx), t.parts(key)...))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[key] = e.Digest()
	}
	return found, nil
}

// Put implements ports.Archive. It stores all entries in one commit.
func (a archive) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	t := tables[section]
	all := make([][]any, len(entries))
	for i, e := range entries {
		var err error
		if all[i], err = t.values(e); err != nil {
			return err
		}
	}
	return a.change(ctx, t.put, all)
}

// Remove implements ports.Archive.
func (a archive) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	t := tables[section]
	all := make([][]any, len(keys))
	for i, key := range keys {
		all[i] = t.parts(key)
	}
	return a.change(ctx, t.remove, all)
}

// change executes a statement for each set of arguments, in one commit. The writer keeps
// the feed's last number in memory, and must read it again afterwards.
func (a archive) change(ctx context.Context, query string, all [][]any) error {
	return a.writer.submit(ctx, func(b *batch) error {
		stmt, err := b.w.conn.PrepareContext(b, query)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // its executions have told
		for _, args := range all {
			if _, err := stmt.ExecContext(b, args...); err != nil {
				return err
			}
		}
		return b.count()
	})
}

func readRecord(row scanner) (ports.Entry, error) {
	r, err := scanRecord(row)
	return ports.Entry{Record: &r}, err
}

func recordValues(e ports.Entry) ([]any, error) {
	r := e.Record
	return []any{
		r.Tenant, r.Kind, r.ID, r.Parent, r.Rev, r.Idem, r.Ref, r.Index.Status, r.Index.Customer, micros(r.Index.Created),
		r.Queue, micros(r.Due), r.Owner, r.Index.Flag, micros(r.Index.Flagged), r.Body, optional(r.Content),
	}, nil
}

func readStoredUser(row scanner) (ports.Entry, error) {
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

func userValues(e ports.Entry) ([]any, error) {
	u := e.User.User
	metadata, err := encode(u.Metadata)
	if err != nil {
		return nil, err
	}
	var original []byte
	if e.User.Original != nil {
		if original, err = json.Marshal(e.User.Original); err != nil {
			return nil, fault.Wrap(fault.Invalid, "sqlitestore.user", err)
		}
	}
	return []any{
		u.ID, u.Tenant, u.Email, u.Name, metadata, u.Version, micros(u.CreatedAt), micros(u.UpdatedAt),
		e.User.Key.Scoped, e.User.Key.Fingerprint, original, e.User.Deleted,
	}, nil
}

func readEvent(row scanner) (ports.Entry, error) {
	v, err := scanEvent(row)
	return ports.Entry{Event: &v}, classify("sqlitestore.feed", err)
}

func eventValues(e ports.Entry) ([]any, error) {
	v := e.Event
	return []any{v.Seq, v.Tenant, v.ID, v.Type, v.Subject, micros(v.At), []byte(v.Data)}, nil
}
