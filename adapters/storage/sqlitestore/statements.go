package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"patchbay/adapters/storage/table"
)

const (
	// oldRecords selects the records that Purge removes, and oldUsers the users whose keys or
	// remains it removes.
	oldRecords = `FROM record WHERE kind = ? AND tenant = ? AND created < ? AND queue IS NULL ORDER BY created LIMIT ?`
	oldUsers   = `FROM user WHERE (idem IS NOT NULL OR deleted = 1) AND created < ? ORDER BY created LIMIT ?`
)

// statements are prepared once for the writing connection and once for the pool of readers.
type statements struct {
	insertRecord, updateRecord, getRecord, getAll, findIdem, findRef *sql.Stmt
	attach, detach, purgeChildren, purge                             *sql.Stmt
	firstDue, due, claim                                             *sql.Stmt
	publish, feed, feedOfAll                                         *sql.Stmt
	insertUser, changeUser, ping                                     *sql.Stmt
	countQueue, countFlag                                            *sql.Stmt
	purgeDeleted, purgeKeys                                          *sql.Stmt
	userByID, userByEmail, userByKey                                 *sql.Stmt

	all []*sql.Stmt
}

// close closes the statements. A connection stays open as long as it has one, and
// database/sql closes only those of a pool.
func (s *statements) close() error {
	errs := make([]error, len(s.all))
	for i, one := range s.all {
		errs[i] = one.Close()
	}
	return errors.Join(errs...)
}

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepareStatements(ctx context.Context, p preparer) (statements, error) {
	var s statements
	for _, one := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&s.insertRecord, insertion("record", table.SavedNames) + ` ON CONFLICT DO NOTHING`},
		{&s.updateRecord, `UPDATE OR IGNORE record SET (` + table.ReplacedNames + `) = (?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, coalesce(?, terms))
			WHERE kind = ? AND tenant = ? AND id = ? AND rev = ?1 - 1`},
		{&s.getRecord, `SELECT ` + table.RecordColumns + ` FROM record WHERE kind = ? AND tenant = ? AND id = ?`},
		{&s.getAll, `SELECT ` + table.RecordColumns + ` FROM record WHERE kind = ? AND tenant = ? AND id IN (SELECT value FROM json_each(?))`},
		{&s.findIdem, `SELECT ` + table.RecordColumns + ` FROM record WHERE kind = ? AND idem = ?`},
		{&s.findRef, `SELECT ` + table.RecordColumns + ` FROM record WHERE kind = ? AND ref = ?`},
		{&s.attach, insertion("record", table.RecordNames)},
		{&s.detach, `DELETE FROM record WHERE tenant = ? AND parent = ?`},
		{&s.purgeChildren, `DELETE FROM record WHERE (tenant, parent) IN (SELECT tenant, kind || '|' || id ` + oldRecords + `)`},
		{&s.purge, `DELETE FROM record WHERE rowid IN (SELECT rowid ` + oldRecords + `)`},
		{&s.firstDue, `SELECT due FROM record WHERE queue = ? AND due <= ? AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT 1`},
		{&s.due, `SELECT ` + table.RecordColumns + ` FROM record WHERE queue = ? AND due BETWEEN ? AND ?
			AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?`},
		{&s.claim, `UPDATE record SET rev = rev + 1, owner = ?, due = ? WHERE kind = ? AND tenant = ? AND id = ?`},
		{&s.publish, insertion("feed", table.EventColumns)},
		{&s.feed, `SELECT ` + table.EventColumns + ` FROM feed WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?`},
		{&s.feedOfAll, `SELECT ` + table.EventColumns + ` FROM feed WHERE seq > ? ORDER BY seq LIMIT ?`},
		{&s.insertUser, insertion("user", table.UserNames) + ` ON CONFLICT DO NOTHING`},
		{&s.changeUser, `UPDATE OR IGNORE user SET version = ?3, email = ?4, name = ?5, metadata = ?6, updated = ?7,
			original = CASE WHEN idem IS NULL OR ?9 THEN NULL ELSE coalesce(original, ?8) END, deleted = ?9 WHERE tenant = ?1 AND id = ?2`},
		{&s.purgeDeleted, `DELETE FROM user WHERE deleted = 1 AND rowid IN (SELECT rowid ` + oldUsers + `)`},
		{&s.purgeKeys, `UPDATE user SET idem = NULL, fingerprint = '', original = NULL WHERE deleted = 0 AND rowid IN (SELECT rowid ` + oldUsers + `)`},
		{&s.ping, `INSERT INTO ping (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at`},
		{&s.countQueue, `SELECT (SELECT count(*) FROM (SELECT 1 FROM record WHERE queue = ? LIMIT ?)),
			coalesce((SELECT min(due) FROM record WHERE queue = ?), 0)`},
		{&s.countFlag, `SELECT (SELECT count(*) FROM (SELECT 1 FROM record WHERE kind = ? AND flag = ? LIMIT ?)),
			coalesce((SELECT min(flagged) FROM record WHERE kind = ? AND flag = ?), 0)`},
		{&s.userByID, `SELECT ` + table.UserColumns + ` FROM user WHERE tenant = ? AND id = ? AND deleted = 0`},
		{&s.userByEmail, `SELECT ` + table.UserColumns + ` FROM user WHERE tenant = ? AND email = ?`},
		{&s.userByKey, `SELECT ` + table.StoredColumns + ` FROM user WHERE idem = ?`},
	} {
		stmt, err := p.PrepareContext(ctx, one.query)
		if err != nil {
			return s, classify("sqlitestore.prepare", err)
		}
		*one.to, s.all = stmt, append(s.all, stmt)
	}
	return s, nil
}

// insertion returns the statement that inserts a row with these columns.
func insertion(into, columns string) string {
	values := strings.Repeat(", ?", strings.Count(columns, ",")+1)
	return `INSERT INTO ` + into + ` (` + columns + `) VALUES (` + values[2:] + `)`
}
