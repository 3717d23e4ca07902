package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
)

const (
	shownColumns  = `tenant, kind, id, coalesce(parent, ''), rev, coalesce(idem, ''), coalesce(ref, ''), status, customer, created, coalesce(queue, ''), due, owner, coalesce(flag, ''), flagged, body`
	recordColumns = shownColumns + `, content, false`
	// A list reads only whether there is a content, which is stored behind all other
	// columns of a row.
	listedColumns = shownColumns + `, NULL, coalesce(length(content), 0) > 0`

	// old selects the records that Purge removes, and traces the data of users that it
	// removes.
	old    = `FROM record WHERE kind = ? AND tenant = ? AND created < ? AND queue IS NULL ORDER BY created LIMIT ?`
	traces = `FROM user WHERE (idem IS NOT NULL OR deleted = 1) AND created < ? ORDER BY created LIMIT ?`

	userColumns = `id, tenant, coalesce(email, ''), name, metadata, version, created, updated`
)

// statements are prepared once for the writing connection and once for the pool of readers.
type statements struct {
	insertRecord, updateRecord, getRecord, findIdem, findRef *sql.Stmt
	attach, detach, purgeChildren, purge                     *sql.Stmt
	firstDue, due, claim                                     *sql.Stmt
	publish, feed, feedOfAll                                 *sql.Stmt
	insertUser, updateUser, deleteUser, ping                 *sql.Stmt
	countQueue, countFlag                                    *sql.Stmt
	purgeDeleted, purgeKeys                                  *sql.Stmt
	userByID, userByEmail, userByKey, listUsers              *sql.Stmt

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
		{&s.insertRecord, `INSERT INTO record (rev, idem, ref, status, customer, created, queue, due, owner, flag, flagged, body, content, kind, tenant, id)
			VALUES (1, nullif(?,''), nullif(?,''), ?, ?, ?, nullif(?,''), ?, ?, nullif(?,''), ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&s.updateRecord, `UPDATE OR IGNORE record SET rev = rev + 1, idem = nullif(?,''), ref = nullif(?,''), status = ?, customer = ?,
			created = ?, queue = nullif(?,''), due = ?, owner = ?, flag = nullif(?,''), flagged = ?, body = ?, content = ? WHERE kind = ? AND tenant = ? AND id = ? AND rev = ?`},
		{&s.getRecord, `SELECT ` + recordColumns + ` FROM record WHERE kind = ? AND tenant = ? AND id = ?`},
		{&s.findIdem, `SELECT ` + recordColumns + ` FROM record WHERE kind = ? AND idem = ?`},
		{&s.findRef, `SELECT ` + recordColumns + ` FROM record WHERE kind = ? AND ref = ?`},
		{&s.attach, `INSERT INTO record (rev, parent, status, customer, created, queue, due, owner, body, kind, tenant, id)
			VALUES (1, ?, ?, ?, ?, nullif(?,''), ?, ?, ?, ?, ?, ?)`},
		{&s.detach, `DELETE FROM record WHERE tenant = ? AND parent = ?`},
		{&s.purgeChildren, `DELETE FROM record WHERE (tenant, parent) IN (SELECT tenant, kind || '|' || id ` + old + `)`},
		{&s.purge, `DELETE FROM record WHERE rowid IN (SELECT rowid ` + old + `)`},
		{&s.firstDue, `SELECT due FROM record WHERE queue = ? AND due <= ? AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT 1`},
		{&s.due, `SELECT ` + recordColumns + ` FROM record WHERE queue = ? AND due BETWEEN ? AND ?
			AND tenant NOT IN (SELECT value FROM json_each(?)) ORDER BY due LIMIT ?`},
		{&s.claim, `UPDATE record SET rev = rev + 1, owner = ?, due = ? WHERE kind = ? AND tenant = ? AND id = ?`},
		{&s.publish, `INSERT INTO feed (seq, tenant, id, type, subject, at, data) VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{&s.feed, `SELECT seq, tenant, id, type, subject, at, data FROM feed WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?`},
		{&s.feedOfAll, `SELECT seq, tenant, id, type, subject, at, data FROM feed WHERE seq > ? ORDER BY seq LIMIT ?`},
		{&s.insertUser, `INSERT INTO user (tenant, id, email, name, metadata, version, created, updated, idem, fingerprint, deleted)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?,''), ?, 0) ON CONFLICT DO NOTHING`},
		{&s.updateUser, `UPDATE OR IGNORE user SET email = ?, name = ?, metadata = ?, version = ?, updated = ?,
			original = CASE WHEN idem IS NULL THEN NULL ELSE coalesce(original, ?) END WHERE tenant = ? AND id = ?`},
		{&s.deleteUser, `UPDATE user SET email = NULL, name = '', metadata = NULL, original = NULL, version = version + 1,
			updated = ?, deleted = 1 WHERE tenant = ? AND id = ?`},
		{&s.purgeDeleted, `DELETE FROM user WHERE deleted = 1 AND rowid IN (SELECT rowid ` + traces + `)`},
		{&s.purgeKeys, `UPDATE user SET idem = NULL, fingerprint = '', original = NULL WHERE deleted = 0 AND rowid IN (SELECT rowid ` + traces + `)`},
		{&s.ping, `INSERT INTO ping (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at`},
		{&s.countQueue, `SELECT (SELECT count(*) FROM (SELECT 1 FROM record WHERE queue = ? LIMIT ?)),
			coalesce((SELECT min(due) FROM record WHERE queue = ?), 0)`},
		{&s.countFlag, `SELECT (SELECT count(*) FROM (SELECT 1 FROM record WHERE kind = ? AND flag = ? LIMIT ?)),
			coalesce((SELECT min(flagged) FROM record WHERE kind = ? AND flag = ?), 0)`},
		{&s.userByID, `SELECT ` + userColumns + ` FROM user WHERE tenant = ? AND id = ? AND deleted = 0`},
		{&s.userByEmail, `SELECT ` + userColumns + ` FROM user WHERE tenant = ? AND email = ?`},
		{&s.userByKey, `SELECT ` + userColumns + `, fingerprint, original, deleted FROM user WHERE idem = ?`},
		{&s.listUsers, `SELECT ` + userColumns + ` FROM user WHERE tenant = ? AND deleted = 0 AND (created, id) < (?, ?)
			ORDER BY created DESC, id DESC LIMIT ?`},
	} {
		stmt, err := p.PrepareContext(ctx, one.query)
		if err != nil {
			return s, classify("sqlitestore.prepare", err)
		}
		*one.to, s.all = stmt, append(s.all, stmt)
	}
	return s, nil
}
