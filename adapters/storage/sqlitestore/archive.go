package sqlitestore

import (
	"context"

	"patchbay/adapters/storage/table"
	"patchbay/core/fault"
	"patchbay/ports"
)

// sectionStatements are the statements on a section. They take the parts of a key in the order of
// the primary key; scan also takes a limit.
type sectionStatements struct{ scan, get, put, remove string }

var sections = map[ports.Section]sectionStatements{
	ports.RecordSection: statementsOn("record", "kind, tenant, id", "?, ?, ?", table.ArchivedColumns, table.RecordNames),
	ports.UserSection:   statementsOn("user", "tenant, id", "?, ?", table.StoredColumns, table.UserNames),
	ports.FeedSection:   statementsOn("feed", "seq", "?", table.EventColumns, table.EventColumns),
}

// statementsOn returns the statements on the table of a section. key is its primary key, parts are
// the parameters for it, columns are read and names are written.
func statementsOn(of, key, parts, columns, names string) sectionStatements {
	return sectionStatements{
		scan:   `SELECT ` + columns + ` FROM ` + of + ` WHERE (` + key + `) > (` + parts + `) ORDER BY ` + key + ` LIMIT ?`,
		get:    `SELECT ` + columns + ` FROM ` + of + ` WHERE (` + key + `) = (` + parts + `)`,
		put:    insertion(of, names),
		remove: `DELETE FROM ` + of + ` WHERE (` + key + `) = (` + parts + `)`,
	}
}

// Scan implements ports.Archive.
func (s *Store) Scan(ctx context.Context, section ports.Section, after string, limit int) (page []ports.Entry, next string, err error) {
	rows, err := s.reads.QueryContext(ctx, sections[section].scan, append(table.KeyParts(section, after), limit)...)
	if err != nil {
		return nil, "", classify("sqlitestore.scan", err)
	}
	defer rows.Close() //nolint:errcheck // read to the end, or far enough
	for size := 0; size < ports.ArchivePage && rows.Next(); {
		e, err := table.ScanEntry(section, rows)
		if err != nil {
			return nil, "", classify("sqlitestore.scan", err)
		}
		if e.Record != nil {
			size += e.Record.Size()
		}
		page, next = append(page, e), e.Key()
	}
	return page, next, classify("sqlitestore.scan", rows.Err())
}

// Digests implements ports.Archive.
func (s *Store) Digests(ctx context.Context, section ports.Section, keys ...string) (map[string]ports.Digest, error) {
	get, err := s.reads.PrepareContext(ctx, sections[section].get)
	if err != nil {
		return nil, classify("sqlitestore.digests", err)
	}
	defer get.Close() //nolint:errcheck // only read
	found := make(map[string]ports.Digest, len(keys))
	for _, key := range keys {
		e, err := table.ScanEntry(section, get.QueryRowContext(quick(ctx), table.KeyParts(section, key)...))
		if err = classify("sqlitestore.digests", err); fault.Is(err, fault.NotFound) {
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
func (s *Store) Put(ctx context.Context, section ports.Section, entries ...ports.Entry) error {
	all := make([][]any, len(entries))
	for i, e := range entries {
		var err error
		if all[i], err = table.EntryValues(e); err != nil {
			return err
		}
	}
	return s.change(ctx, sections[section].put, all)
}

// Remove implements ports.Archive.
func (s *Store) Remove(ctx context.Context, section ports.Section, keys ...string) error {
	all := make([][]any, len(keys))
	for i, key := range keys {
		all[i] = table.KeyParts(section, key)
	}
	return s.change(ctx, sections[section].remove, all)
}

// change executes a statement for each set of arguments, in one commit. The writer keeps
// the feed's last number in memory, and must read it again afterwards.
func (s *Store) change(ctx context.Context, query string, all [][]any) error {
	return s.writer.submit(ctx, func(b *batch) error {
		stmt, err := b.w.conn.PrepareContext(b, query)
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // its executions have returned all errors
		for _, args := range all {
			if _, err := stmt.ExecContext(b, args...); err != nil {
				return err
			}
		}
		return b.readLastSeq()
	})
}
